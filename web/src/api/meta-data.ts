/** What is known about items or users, beside their interactions: two resources with the same routes and bodies. */
export type Subject = 'items' | 'users'

/** Both have the types of item metadata, because their bodies are the same. */
type Route = '/item_meta_data/'

const ROUTES: Record<Subject, string> = { items: '/item_meta_data/', users: '/user_meta_data/' }
const KEYS: Record<Subject, string> = { items: 'item-data', users: 'user-data' }

export const routeOf = (subject: Subject) => ROUTES[subject] as Route

/** Returns the first part of the keys of its queries. */
export const queryKeyOf = (subject: Subject) => KEYS[subject]
