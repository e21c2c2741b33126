import { afterEach, expect, it, vi } from 'vitest'
import { readMiddleUsers } from '@/lib/middle-users'

afterEach(() => vi.unstubAllGlobals())

/** Serves users by page, `u1` first; returns the pages that were read. */
function serveUsers(count: number) {
  const pages: number[] = []
  vi.stubGlobal('fetch', async (address: string) => {
    const query = new URL(address, 'http://server').searchParams
    const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('page_size'))]
    pages.push(page)
    const ids = Array.from({ length: count }, (_, at) => ({
      user_id: `u${at + 1}`,
      interactions: count - at,
    }))
    const results = ids.slice((page - 1) * size, page * size)
    return new Response(JSON.stringify({ count, next: null, previous: null, results }))
  })
  return pages
}
const idsOf = async (count: number, size: number) => {
  const pages = serveUsers(count)
  const found = await readMiddleUsers(3, size)
  expect(found.count).toBe(count)
  return [found.users.map((row) => row.user_id).join(' '), pages]
}

it('begins with a user of middle activity', async () => {
  expect(await idsOf(1000, 1)).toEqual(['u500', [1, 500]])
  expect(await idsOf(101, 5)).toEqual(['u51 u52 u53 u54 u55', [1, 11]])
  expect(await idsOf(3, 5)).toEqual(['u2 u3 u1', [1]])
  expect(await idsOf(1, 1)).toEqual(['u1', [1]])
  expect(await idsOf(0, 5)).toEqual(['', [1]])
})
