/** How an item looks to a shopper: its title and picture, from the columns of its metadata that the server names. */
import type { CatalogueItem, ShownColumns } from '@/api/catalogue'
import type { ListedItem, Metadata } from '@/api/inference'

export interface ItemLook {
  id: string
  title: string
  /** An address that begins with https, or nothing. */
  image: string | null
}

const text = (value: unknown) =>
  typeof value === 'string' || typeof value === 'number' ? String(value).trim() : ''
const cell = (metadata: Metadata, column: string | null | undefined) => (column ? text(metadata[column]) : '')
const isPicture = (value: string) => /^https:\/\//i.test(value)

/** Returns the look of an item of a list; only its id, while the columns are not known. */
export function lookOfListed(
  item: Pick<ListedItem, 'item_id' | 'metadata'>,
  columns: ShownColumns | undefined,
): ItemLook {
  const metadata = (item.metadata ?? {}) as Metadata
  const picture = cell(metadata, columns?.image_column)
  return {
    id: item.item_id,
    title: cell(metadata, columns?.title_column) || item.item_id,
    image: isPicture(picture) ? picture : null,
  }
}

export const lookOfCatalogued = (item: CatalogueItem): ItemLook => ({
  id: item.item_id,
  title: item.title || item.item_id,
  image: item.image_url && isPicture(item.image_url) ? item.image_url : null,
})

/** Returns what else is known of an item, in short: no links, and nothing that is its title or picture. */
export function factsIn(
  metadata: Metadata,
  columns: ShownColumns | undefined,
): [column: string, value: string][] {
  const isLook = (column: string) => column === columns?.title_column || column === columns?.image_column
  return Object.entries(metadata).flatMap(([column, value]): [string, string][] => {
    const shown = Array.isArray(value) ? value.map(text).filter(Boolean).join(', ') : text(value)
    const isSpoken = shown === '' || isLook(column) || /^https?:\/\//i.test(shown)
    return isSpoken ? [] : [[column, shown.replaceAll('|', ', ')]]
  })
}

/** The pages whose documents may load pictures from elsewhere: the server's policy says so for these addresses. */
const WITH_PICTURES = /^\/(demo|studio)\//

/** Returns whether the page may load pictures of other sites. It depends on the address at which it was loaded, not on the present one. */
export function picturesAllowed(): boolean {
  const [entry] = performance.getEntriesByType?.('navigation') ?? []
  return !!entry && WITH_PICTURES.test(new URL(entry.name, location.href).pathname)
}
