/** The items and users of a project, by page: what pickers and shops list. */
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get } from './client'
import type { Sent } from './contract'
import { num, type Id } from './queries'
import type { components } from './schema'

type Schemas = components['schemas']
export type CatalogueItem = Sent<Schemas['Page_ProjectItem']['results'][number]>
export type CatalogueUser = Sent<Schemas['ProjectUser']>
export type CatalogueKind = 'items' | 'users'
export type RowOf<K extends CatalogueKind> = K extends 'items' ? CatalogueItem : CatalogueUser

/** The columns of the item metadata that titles and pictures are from; null without such a column. */
export interface ShownColumns {
  title_column: string | null
  image_column: string | null
}

export interface CataloguePage<T> {
  count: number
  next: string | null
  results: T[]
}
type PageOf<K extends CatalogueKind> = CataloguePage<RowOf<K>> & (K extends 'items' ? ShownColumns : object)
interface Query {
  q?: string
  page?: number
  page_size?: number
}

const PAGE_SIZE = 20
const STALE_MS = 60_000

export function readCatalogue<K extends CatalogueKind>(
  kind: K,
  project: number,
  query: Query,
  signal?: AbortSignal,
): Promise<PageOf<K>> {
  const options = { path: { id: project }, query, signal }
  const answer =
    kind === 'items' ? get('/project/{id}/items/', options) : get('/project/{id}/users/', options)
  return answer as unknown as Promise<PageOf<K>>
}

/** Returns what matches a text, a page at a time: the ids that begin with it, and the items whose title contains it. */
export const useCatalogue = <K extends CatalogueKind>(
  kind: K,
  project: Id,
  q: MaybeRefOrGetter<string>,
  enabled: MaybeRefOrGetter<boolean> = true,
) =>
  useInfiniteQuery({
    queryKey: computed(() => ['catalogue', kind, toValue(project), toValue(q)]),
    queryFn: ({ pageParam, signal }) =>
      readCatalogue(kind, num(project), { q: toValue(q), page: pageParam, page_size: PAGE_SIZE }, signal),
    initialPageParam: 1,
    getNextPageParam: (last: PageOf<K>, _pages, page: number) => (last.next === null ? undefined : page + 1),
    enabled: () => toValue(enabled) && typeof toValue(project) === 'number',
    placeholderData: keepPreviousData,
    staleTime: STALE_MS,
  })

/** Returns the page with only the most popular item, which also says the columns of titles and pictures. */
export const useFirstItem = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['catalogue', 'first-item', toValue(project)]),
    queryFn: ({ signal }) => readCatalogue('items', num(project), { page_size: 1 }, signal),
    staleTime: STALE_MS,
  })
