import { afterEach, describe, expect, it, vi } from 'vitest'
import { demoShopFile } from '@/lib/demo-shop-file'
import DemoShopPage from '@/pages/DemoShopPage.vue'
import { itemList, list, MEMBER, openPage, settle, type Answers } from './support'

vi.setConfig({ testTimeout: 30_000 })
afterEach(() => {
  vi.useRealTimers()
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

  it('shows all items once where there are no users', () => {
    expect(file).toContain("all: 'All items'")
    expect(file).toContain('hasUsers ? COUNT : ALL')
  })

  it('is a program that can be read', () => {
    const program = /<script>([\s\S]*)<\/script>/.exec(file)?.[1] ?? ''
    expect(() => new Function(program)).not.toThrow()
  })

  it('keeps apart what users and items with the names of parts of the language did', async () => {
    const [, body = '', program = ''] = /<body>([\s\S]*)<script>([\s\S]*)<\/script>/.exec(file) ?? []
    document.body.innerHTML = body
    const asked: Record<string, unknown>[] = []
    vi.stubGlobal('Option', function (text: string) {
      return Object.assign(document.createElement('option'), { text, value: text })
    })
    vi.stubGlobal('fetch', async (_address: string, init: RequestInit) => {
      asked.push(JSON.parse(String(init.body)) as Record<string, unknown>)
      const item = { item_id: 'constructor', metadata: null, because: [{ item_id: 'toString', share: 1 }] }
      return new Response(JSON.stringify({ items: [item], slot_id: 9, request_id: 'r-1' }))
    })
    new Function(program.replace('PASTE_YOUR_KEY_HERE', 'rctm_known'))()
    const field = document.querySelector<HTMLInputElement>('#user')
    for (const user of ['__proto__', 'constructor']) {
      asked.length = 0
      if (field) field.value = user
      field?.dispatchEvent(new Event('change'))
      await settle()
      expect(asked[0]).toMatchObject({ user_id: user, interactions: [] })
      const card = document.querySelector<HTMLElement>('#shelves button')
      expect(card?.textContent).toBe('Cconstructor')
      expect(document.querySelector('#shelves small')?.textContent).toContain('Because of toString')
      asked.length = 0
      card?.click()
      await settle()
      expect(asked.slice(0, 2)).toMatchObject([
        { user_id: user, item_id: 'constructor' },
        { user_id: user, interactions: ['constructor'], anchor_items: ['constructor'] },
      ])
    }
    document.body.innerHTML = ''
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

const known = (project: number) => {
  const key = { key: 'rctm_known', expires_at: '2999-01-01T00:00:00Z' }
  sessionStorage.setItem(`recotem.demo-key.${project}`, JSON.stringify(key))
}
/** The answers of another project: keys are kept by project while the program runs. */
const of = (project: number, more: Answers): Answers => ({
  ...Object.fromEntries(
    Object.entries(ANSWERS).map(([path, row]) => [path.replace('project/3', `project/${project}`), row]),
  ),
  ...more,
})

const ANSWERS: Answers = {
  'GET project/3/': { id: 3, name: 'Shop', organisation: 5 },
  'GET organisation/': list([{ id: 5, name: 'Mine', is_personal: true, role: 'owner' }]),
  'GET studio/': list([{ id: 4, state: 'ready', project: 3 }]),
  'GET project/3/users/': list([{ user_id: '007', interactions: 12 }]),
  'GET project/3/items/': itemList([
    { item_id: 'p1', title: 'Popular', image_url: 'https://x.example/p.png', interactions: 99 },
  ]),
  'POST studio/4/demo_key/': () => [201, { key: 'rctm_demo', expires_at: '2999-01-01T00:00:00Z' }],
  'POST /inference/predict/project/3': predict,
  'POST conversion_event/': (body: Record<string, unknown>) => [201, { id: 1, ...body }],
}
const open = (answers: Answers = ANSWERS, address = '/demo/3') =>
  openPage('demo', DemoShopPage, { address, user: MEMBER, answers })

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
    expect(id('reported').text()).toBe('Click reported: the lists below already answer it.')
    expect(id('shelf-related').text()).toContain('Because you looked at “Before”')
    expect(id('shelf-for-you').text()).toContain('After')
  })

  it('takes titles from the column that the server names, on every shelf and in the file', async () => {
    known(15)
    const artist = (item_id: string, because: string[] = []) => ({
      ...listed(item_id, 'Not this', because),
      metadata: { title: 'Not this', artist_name: `Artist ${item_id}`, genre: 'jazz' },
    })
    const { id, page } = await open(
      of(15, {
        'GET project/15/items/': itemList(
          [{ item_id: 'p1', title: 'Artist p1', image_url: null, interactions: 9 }],
          'artist_name',
          'pic',
        ),
        'POST /inference/predict/project/15': (body: Record<string, unknown>) => [
          200,
          answer(body.allow ? [artist('h1')] : [artist('b1', ['h1'])]),
        ],
      }),
      '/demo/15',
    )
    await settle()
    await settle()
    expect(id('shelf-for-you').text()).toContain('Artist b1')
    expect(id('shelf-for-you').text()).toContain('Because of Artist h1')
    expect(id('shelf-popular').text()).toContain('Artist p1')
    await id('shelf-for-you').get('[data-testid="shop-card"]').trigger('click')
    await settle()
    expect(id('shop-item').get('h2').text()).toBe('Artist b1')
    expect(id('shop-item').get('dl').text()).not.toContain('Artist')
    expect(id('shop-item').get('dl').text()).toContain('jazz')

    let made: Blob | undefined
    vi.spyOn(URL, 'createObjectURL').mockImplementation((blob) => ((made = blob as Blob), 'blob:x'))
    await id('download-shop').trigger('click')
    const file = (await made?.text()) ?? ''
    expect(file).toContain('"titleColumn": "artist_name"')
    expect(file).toContain('"imageColumn": "pic"')
    page.unmount()
  })

  it('says that a click was reported only once it was', async () => {
    known(11)
    const { id, has } = await open(of(11, { 'POST conversion_event/': () => [500, {}] }), '/demo/11')
    await settle()
    await id('shelf-for-you').get('[data-testid="shop-card"]').trigger('click')
    await settle()
    await settle()
    expect(id('shop-item').text()).toContain('Before')
    expect(has('reported')).toBe(false)
  })

  it('waits for a key that was used too often, without old lists, and goes on by itself', async () => {
    known(12)
    let isLimited = false
    const limited = (body: Record<string, unknown>): [number, unknown] =>
      isLimited ? [429, { detail: 'Request was throttled.' }] : predict(body)
    const { id, has } = await open(of(12, { 'POST /inference/predict/project/12': limited }), '/demo/12')
    await settle()
    expect(has('countdown')).toBe(false)
    isLimited = true
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] })
    await id('shelf-for-you').get('[data-testid="shop-card"]').trigger('click')
    await settle()
    await settle()
    expect(id('countdown-text').text()).toBe('Demo key limit reached. The lists update in 60 seconds.')
    expect([has('shelf-related'), has('shelf-for-you'), has('error-notice'), has('reported')]).toEqual(
      Array(4).fill(false),
    )
    expect(id('shelf-popular').text()).toContain('Popular')
    isLimited = false
    await vi.advanceTimersByTimeAsync(60_000)
    vi.useRealTimers()
    await settle()
    await settle()
    expect(has('countdown')).toBe(false)
    expect(id('shelf-related').text()).toContain('Near')
    expect(id('shelf-for-you').text()).toContain('After')
    expect(has('reported')).toBe(true)
  })

  it('shows all items where there are no users, and reports a click before there is a list', async () => {
    known(13)
    const items = Array.from({ length: 20 }, (_, at) => ({
      item_id: `p${at}`,
      title: `Item ${at}`,
      image_url: null,
      interactions: 0,
    }))
    const slot = (id: number, is_active: boolean) => ({ id, is_active, is_shadow: false, weight: 100 })
    const { id, has, sent } = await open(
      of(13, {
        'GET project/13/users/': list([]),
        'GET project/13/items/': itemList(items),
        'GET deployment_slot/': list([slot(1, false), slot(2, true)]),
      }),
      '/demo/13',
    )
    await settle()
    expect(has('shelf-for-you')).toBe(false)
    expect(id('shelf-popular').get('h2').text()).toBe('All items')
    expect(id('shelf-popular').findAll('[data-testid="shop-card"]')).toHaveLength(20)
    expect(sent).toEqual([])
    await id('shelf-popular').get('[data-testid="shop-card"]').trigger('click')
    await settle()
    await settle()
    expect(sent.find((row) => row.url === 'conversion_event/')?.body).toMatchObject({
      deployment_slot: 2,
      item_id: 'p0',
    })
    expect(id('shelf-related').text()).toContain('Near')
    expect(id('shelf-for-you').text(), 'the visit says something').toContain('After')
  })

  it('tells those who may not make a key who can, and shows what needs none', async () => {
    const { id, has } = await open(
      of(14, { 'GET organisation/': list([{ id: 5, name: 'Books', is_personal: false, role: 'viewer' }]) }),
      '/demo/14',
    )
    expect(id('ask-an-admin').text()).toBe('An admin of Books can make a demo key.')
    expect(has('make-key')).toBe(false)
    expect(id('shelf-popular').text()).toContain('Popular')
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
