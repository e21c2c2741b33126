import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { mount } from '@vue/test-utils'
import { afterEach, expect, it, vi } from 'vitest'
import { defineComponent } from 'vue'
import { useCatalogueTitles } from '@/lib/use-catalogue-titles'

afterEach(() => vi.unstubAllGlobals())

type Row = { item_id: string; title: string | null }

/** Serves a catalogue as the server does: the item whose id is the text first. Returns what was asked. */
function serve(rows: Row[], popular: number) {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (address: string) => {
    const query = new URL(address, 'http://x').searchParams
    const q = query.get('q') ?? ''
    asked.push(q)
    const found = q ? rows.filter((row) => row.item_id.startsWith(q)) : rows.slice(0, popular)
    const exact = found.filter((row) => row.item_id === q)
    const results = [...exact, ...found.filter((row) => row.item_id !== q)].slice(0, q ? 1 : popular)
    return new Response(JSON.stringify({ count: rows.length, next: null, results }))
  })
  return asked
}

function start() {
  let found!: ReturnType<typeof useCatalogueTitles>
  mount(
    defineComponent({
      setup() {
        found = useCatalogueTitles(3)
        return () => null
      },
    }),
    {
      global: {
        plugins: [
          [
            VueQueryPlugin,
            { queryClient: new QueryClient({ defaultOptions: { queries: { retry: false } } }) },
          ],
        ],
      },
    },
  )
  return found
}

const row = (item_id: string, title: string | null = `Title of ${item_id}`) => ({ item_id, title })

it('titles come with the popular items, and one by one for the others, each once', async () => {
  const asked = serve([row('a'), row('b'), row('c'), row('c2')], 2)
  const { titles, learn } = start()
  await learn(['a', 'c', 'c', 'gone'])
  expect(asked).toEqual(['', 'c', 'gone'])
  expect(titles.get('a')).toBe('Title of a')
  expect(titles.get('c')).toBe('Title of c')
  expect(titles.has('gone')).toBe(false)
  await learn(['c', 'gone', 'c2'])
  expect(asked).toEqual(['', 'c', 'gone', 'c2'])
})

it('another item that begins with an id does not give it its title', async () => {
  serve([row('a'), row('12')], 1)
  const { titles, learn } = start()
  await learn(['1'])
  expect([titles.has('1'), titles.get('12')]).toEqual([false, 'Title of 12'])
})

it('a catalogue without titles, or of which all is known, is asked once', async () => {
  const without = serve([row('a', null), row('b', null)], 1)
  await start().learn(['b'])
  expect(without).toEqual([''])
  const known = serve([row('a'), row('b', null)], 2)
  const { titles, learn } = start()
  await learn(['b', 'gone'])
  expect(known).toEqual([''])
  expect([...titles.keys()]).toEqual(['a'])
})

it('of a very long list, only the head is asked for', async () => {
  const asked = serve([row('first'), ...Array.from({ length: 200 }, (_, at) => row(`i${at}`))], 1)
  await start().learn(Array.from({ length: 60 }, (_, at) => `i${at}`))
  expect(asked).toHaveLength(1 + 50)
})

it('a list stays a list where the catalogue cannot be read', async () => {
  vi.stubGlobal('fetch', async () => new Response('{}', { status: 403 }))
  const { titles, learn } = start()
  await expect(learn(['a'])).resolves.toBeUndefined()
  expect(titles.size).toBe(0)
})
