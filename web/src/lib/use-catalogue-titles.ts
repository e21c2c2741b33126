import { useQueryClient } from '@tanstack/vue-query'
import { reactive, toValue, type MaybeRefOrGetter } from 'vue'
import { readCatalogue, type CatalogueItem } from '@/api/catalogue'

/** The items with most interactions, which lists have most often, come in one answer. */
const FIRST = 100
/** Others are asked for one by one, and not all of a very long list. */
const MOST = 50
const STALE_MS = 60_000

/**
 * Keeps the titles of items by id, of a project whose lists come without them. A catalogue without titles among its most popular
 * items is asked only once.
 */
export function useCatalogueTitles(project: MaybeRefOrGetter<number>) {
  const queryClient = useQueryClient()
  const titles = reactive(new Map<string, string>())
  const asked = new Set<string>()

  const read = (q: string, page_size: number) => {
    const id = toValue(project)
    return queryClient.fetchQuery({
      queryKey: ['catalogue', 'titles', id, q, page_size],
      queryFn: ({ signal }) => readCatalogue('items', id, { q, page_size }, signal),
      staleTime: STALE_MS,
    })
  }
  function keep(rows: CatalogueItem[]) {
    for (const row of rows) {
      asked.add(row.item_id)
      if (row.title) titles.set(row.item_id, row.title)
    }
  }

  /** Asks for the titles of items that have not been asked for. A list without titles is still a list: failures are not shown. */
  async function learn(ids: string[]) {
    const first = await read('', FIRST).catch(() => null)
    if (!first) return
    keep(first.results)
    const isAll = first.count <= first.results.length
    if (isAll || !first.results.some((row) => row.title)) return
    const unknown = [...new Set(ids)].filter((id) => !asked.has(id)).slice(0, MOST)
    unknown.forEach((id) => asked.add(id))
    await Promise.all(
      unknown.map(async (id) => {
        // The item whose id is the text comes first.
        const found = await read(id, 1).catch(() => null)
        if (found) keep(found.results)
      }),
    )
  }

  return { titles, learn }
}
