/** Interactions like MovieLens 100k, made from a seed: 943 users with tastes for genres, 1,682 films, a long tail, time. */
const USERS = 943
const ITEMS = 1682
const GENRES = 12
const START = 874724710

function generator(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** What a rating of so many stars would have been in a shop. */
const EVENTS = ['', 'view', 'view', 'view', 'add_to_cart', 'purchase']

/** Ids that have to survive the whole way as they are. */
export const ODD_USER = '007'
export const ODD_ITEMS = ['a/b c', 'Sigur Rós', '0042']

const idOf = (item) => ODD_ITEMS[item] ?? String(item)
const GENRE_NAMES = [
  'action',
  'animation',
  'comedy',
  'crime',
  'documentary',
  'drama',
  'fantasy',
  'horror',
  'musical',
  'romance',
  'thriller',
  'western',
]
const WORDS = [
  'Autumn',
  'Bridge',
  'City',
  'Door',
  'Evening',
  'Forest',
  'Garden',
  'Harbour',
  'Island',
  'July',
  'Key',
]

/** The CSV text of an item file: genres are what users like, and nothing else says anything. */
export function sampleItems(seed = 21) {
  const random = generator(seed)
  const word = () => WORDS[Math.floor(random() * WORDS.length)]
  const rows = ['item_id,title,genre,year,link']
  for (let item = 0; item < ITEMS; item += 1) {
    const year = 1930 + Math.floor(random() * 70)
    const link = `https://films.example/${item}`
    rows.push(
      `${idOf(item)},The ${word()} of ${word()} ${item},${GENRE_NAMES[item % GENRES]},${year},${link}`,
    )
  }
  return rows.join('\n') + '\n'
}

/** The CSV text, with two rows that cannot be read. */
export function sampleCsv(seed = 20) {
  const random = generator(seed)
  const byGenre = Array.from({ length: GENRES }, () => [])
  for (let item = 0; item < ITEMS; item += 1) byGenre[item % GENRES].push(item)
  // A small number to a high power prefers the head of a list: the long tail.
  const pick = (list) => list[Math.floor(random() ** 2.2 * list.length)]
  const rows = ['user_id,item_id,rating,timestamp,event']
  for (let u = 0; u < USERS; u += 1) {
    const user = u === 7 ? ODD_USER : String(u + 1)
    const tastes = [Math.floor(random() * GENRES), Math.floor(random() * GENRES)]
    const count = 20 + Math.floor(random() ** 2.5 * 250)
    const seen = new Set()
    let time = START + Math.floor(random() * 1.5e7)
    while (seen.size < count) {
      const genre = random() < 0.8 ? tastes[Math.floor(random() * 2)] : Math.floor(random() * GENRES)
      const item = pick(byGenre[genre])
      const before = seen.size
      seen.add(item)
      if (seen.size === before && random() < 0.9) continue
      time += Math.floor(random() * 600)
      const rating = 1 + Math.floor(random() * 5)
      rows.push(`${user},${idOf(item)},${rating},${time},${EVENTS[rating]}`)
      if (seen.size === before) break
    }
  }
  rows.splice(1000, 0, '12')
  rows.splice(5000, 0, ',,3,874724999,view')
  return rows.join('\n') + '\n'
}
