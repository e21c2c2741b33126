/** How an item looks to a shopper: its title and picture, found in its metadata by the names of the columns. */
import type { CatalogueItem } from '@/api/catalogue'
import type { ListedItem, Metadata } from '@/api/inference'

export interface ItemLook {
  id: string
  title: string
  /** An address that begins with https, or nothing. */
  image: string | null
}

/** Names of columns, as the server knows them: in lower case, without what stands between words, the best first. */
const TITLES =
  'title itemtitle producttitle movietitle name itemname productname displayname label headline subject caption ' +
  'タイトル 題名 商品名 品名 製品名 作品名 書名 曲名 名称 名前 表題 見出し'
const PICTURES =
  'imageurl image imagelink imagesrc img imgurl picture pictureurl photo photourl thumbnail thumbnailurl poster ' +
  'posterurl cover coverurl 画像url 画像 商品画像 写真 サムネイル イメージ'
const TITLE = TITLES.split(' ')
const PICTURE = PICTURES.split(' ')

const bare = (column: string) =>
  column
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}ー]/gu, '')
const text = (value: unknown) =>
  typeof value === 'string' || typeof value === 'number' ? String(value).trim() : ''

/** Returns the column of metadata that has the best of some names. */
export function columnOf(metadata: Metadata, names: string[]): string | undefined {
  const columns = new Map(Object.keys(metadata).map((column) => [bare(column), column]))
  return names.map((name) => columns.get(name)).find((column) => column !== undefined)
}
const valueOf = (metadata: Metadata, names: string[]) => text(metadata[columnOf(metadata, names) ?? ''])

const isPicture = (value: string) => /^https:\/\//i.test(value)
export const titleColumnOf = (metadata: Metadata) => columnOf(metadata, TITLE)
export const pictureColumnOf = (metadata: Metadata) => columnOf(metadata, PICTURE)

export function lookOfListed(item: ListedItem): ItemLook {
  const metadata = (item.metadata ?? {}) as Metadata
  const picture = valueOf(metadata, PICTURE)
  return {
    id: item.item_id,
    title: valueOf(metadata, TITLE) || item.item_id,
    image: isPicture(picture) ? picture : null,
  }
}

export const lookOfCatalogued = (item: CatalogueItem): ItemLook => ({
  id: item.item_id,
  title: item.title || item.item_id,
  image: item.image_url && isPicture(item.image_url) ? item.image_url : null,
})

/** Returns what else is known of an item, in short: no links, and nothing that is its title. */
export function factsIn(metadata: Metadata): [column: string, value: string][] {
  const title = titleColumnOf(metadata)
  return Object.entries(metadata).flatMap(([column, value]): [string, string][] => {
    const shown = Array.isArray(value) ? value.map(text).filter(Boolean).join(', ') : text(value)
    const isSpoken = shown === '' || column === title || /^https?:\/\//i.test(shown)
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
