import template from './demo-shop-template.html?raw'

export interface DemoShop {
  /** Origin of the server. */
  server: string
  project: number
  name: string
  /** Users to choose from; any other id can be typed. */
  users: string[]
  /** Columns of the item metadata. */
  titleColumn: string | null
  imageColumn: string | null
}

const PLACE = 'const SHOP = {}'

/** Returns a page that is the demo shop, in one file without dependencies. The key is left for its owner to paste. */
export function demoShopFile(shop: DemoShop): string {
  const values = JSON.stringify({ key: 'PASTE_YOUR_KEY_HERE', ...shop }, null, 2).replaceAll('<', '\\u003c')
  return template.replace(PLACE, () => `const SHOP = ${values}`)
}
