import { afterEach, describe, expect, it, vi } from 'vitest'
import { demoShopFile } from '@/lib/demo-shop-file'
import DemoShopPage from '@/pages/DemoShopPage.vue'
import { list, MEMBER, openPage, settle, type Answers } from './support'

vi.setConfig({ testTimeout: 30_000 })
afterEach(() => {
  vi.unstubAllGlobals()
  sessionStorage.clear()
})

const SHOP = {
  server: 'https://api.example',
  project: 3,
  name: '</script><script>alert(1)</script>',
  users: ['007', "o'neill"],
  titleColumn: 'title',
  imageColumn: null,
}

describe('the demo shop as a file', () => {
  const file = demoShopFile(SHOP)

  it('is small, and needs nothing else', () => {
    expect(new TextEncoder().encode(file).length).toBeLessThanOrEqual(30 * 1024)
    expect(file).not.toMatch(/<script[^>]+src|<link|@import|url\(/)
  })

  it('has its values, a place for the key, and no way out of the script', () => {
    const values = /const SHOP = (\{[\s\S]*?\n\})/.exec(file)?.[1] ?? ''
    expect(JSON.parse(values)).toEqual({ key: 'PASTE_YOUR_KEY_HERE', ...SHOP })
    expect(file.match(/<\/script>/g)).toHaveLength(1)
  })

  it('is a program that can be read', () => {
    const program = /<script>([\s\S]*)<\/script>/.exec(file)?.[1] ?? ''
    expect(() => new Function(program)).not.toThrow()
  })
})

const listed = (item_id: string, title: string, because: string[] = []) => ({
  item_id,
  score: 1,
  metadata: { title, genre: 'drama' },
  because: because.map((id) => ({ item_id: id, share: 0.5 })),
})
const answer = (items: object[], strategy = 'personal') => ({
  items,
  model_id: 1,
  slot_id: 9,
  slot_name: 'main',
  request_id: 'r-1',
  strategy,
})

/** A list for the user; near an item, and after a click on it, others. */
function predict(body: Record<string, unknown>): [number, unknown] {
  if (body.allow) return [200, answer([listed('h1', 'History')])]
  if (body.anchor_items) return [200, answer([listed('n1', 'Near')], 'hybrid')]
  const clicks = body.interactions as string[]
  return [200, answer(clicks.length ? [listed('a2', 'After', clicks)] : [listed('b1', 'Before', ['h1'])])]
}

const ANSWERS: Answers = {
  'GET project/3/': { id: 3, name: 'Shop', organisation: 5 },
  'GET organisation/': list([{ id: 5, name: 'Mine', is_personal: true, role: 'owner' }]),
  'GET studio/': list([{ id: 4, state: 'ready', project: 3 }]),
  'GET project/3/users/': list([{ user_id: '007', interactions: 12 }]),
  'GET project/3/items/': list([
    { item_id: 'p1', title: 'Popular', image_url: 'https://x.example/p.png', interactions: 99 },
  ]),
  'POST studio/4/demo_key/': () => [201, { key: 'rctm_demo', expires_at: '2999-01-01T00:00:00Z' }],
  'POST /inference/predict/project/3': predict,
  'POST conversion_event/': (body: Record<string, unknown>) => [201, { id: 1, ...body }],
}
const open = (answers: Answers = ANSWERS) =>
  openPage('demo', DemoShopPage, { address: '/demo/3', user: MEMBER, answers })

describe('the demo shop', () => {
  it('makes its key when asked, and answers a click in the next list', async () => {
    const { page, id, has, sent } = await open()
    expect(has('shelf-for-you')).toBe(false)
    expect(sent).toEqual([])
    await id('make-key').trigger('click')
    await settle()
    await settle()
    expect(id('shelf-for-you').text()).toContain('Because of History')
    expect(id('shelf-popular').text()).toContain('Popular')
    expect(page.find('img').exists()).toBe(false)

    await id('shelf-for-you').get('[data-testid="shop-card"]').trigger('click')
    await settle()
    await settle()
    const event = sent.find((row) => row.url === 'conversion_event/')?.body
    expect(event).toMatchObject({
      project: 3,
      deployment_slot: 9,
      user_id: '007',
      item_id: 'b1',
      event_type: 'click',
      recommendation_request_id: 'r-1',
    })
    expect(String(event?.event_id)).toMatch(/^[0-9a-f]{32}$/)
    expect(id('shop-item').text()).toContain('drama')
    expect(id('shelf-related').text()).toContain('Because you looked at “Before”')
    expect(id('shelf-for-you').text()).toContain('After')
  })

  it('keeps the key for the tab, and forgets one that is refused', async () => {
    const key = { key: 'rctm_old', expires_at: '2999-01-01T00:00:00Z' }
    sessionStorage.setItem('recotem.demo-key.3', JSON.stringify(key))
    vi.resetModules()
    const refused = { ...ANSWERS, 'POST /inference/predict/project/3': () => [401, { detail: 'No.' }] }
    const { has } = await open(refused as Answers)
    await settle()
    await settle()
    expect(has('make-key')).toBe(true)
    expect(sessionStorage.getItem('recotem.demo-key.3')).toBeNull()
  })
})
