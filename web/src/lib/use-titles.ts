import { reactive, toValue, type MaybeRefOrGetter } from 'vue'
import type { ShownColumns } from '@/api/catalogue'
import { requestList, type ListedItem } from '@/api/inference'
import { lookOfListed } from './item-look'

/**
 * Keeps the titles of items by id. Lists bring those of their items; the items that explain them are asked for, all in one
 * request: a list of only these. What has no title then never gets one.
 */
export function useTitles(
  project: MaybeRefOrGetter<number>,
  key: MaybeRefOrGetter<string | null>,
  columns: MaybeRefOrGetter<ShownColumns | undefined>,
) {
  const titles = reactive(new Map<string, string>())
  const asked = new Set<string>()

  function keep(id: string, title: string | null | undefined) {
    if (title) titles.set(id, title)
  }
  function keepListed(items: ListedItem[]) {
    for (const item of items) {
      const look = lookOfListed(item, toValue(columns))
      if (look.title !== look.id) titles.set(look.id, look.title)
    }
  }

  /** Takes the titles of a list, and asks for those of its reasons. Does nothing while the columns are not known. */
  async function learn(items: ListedItem[] | undefined, user: string | undefined) {
    // Without a column of titles there are none to ask for.
    if (!items || !toValue(columns)?.title_column) return
    keepListed(items)
    const reasons = items.flatMap((item) => (item.because ?? []).map((reason) => reason.item_id))
    const unknown = [...new Set(reasons)].filter((id) => !titles.has(id) && !asked.has(id))
    const apiKey = toValue(key)
    if (unknown.length === 0 || apiKey === null) return
    unknown.forEach((id) => asked.add(id))
    const who = user ? { user_id: user } : { interactions: unknown }
    const body = { ...who, allow: unknown, exclude_seen: false, cutoff: unknown.length }
    // A list without titles is still a list.
    const found = await requestList(toValue(project), apiKey, body).catch(() => null)
    if (found) keepListed(found.items)
    else unknown.forEach((id) => asked.delete(id))
  }

  return { titles, titleOf: (id: string) => titles.get(id) ?? id, keep, learn }
}
