import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { mount } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { defineComponent, h, ref } from 'vue'
import ItemPicker from '@/components/pickers/ItemPicker.vue'
import UserPicker from '@/components/pickers/UserPicker.vue'
import { i18n } from '@/i18n'
import { settle } from './support'

const PAUSE_MS = 200

beforeEach(() => {
  i18n.global.locale.value = 'en'
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  document.body.innerHTML = ''
})

const item = (item_id: string, title: string | null) => ({ item_id, title, image_url: null, interactions: 3 })
const ITEMS = [item('1', 'Toy Story'), item('12', 'Usual Suspects'), item('a/b c', null)]

/** Serves a list in two pages; returns the queries that were sent. */
function serve(rows: object[], perPage = 2) {
  const asked: Record<string, string>[] = []
  vi.stubGlobal('fetch', async (address: string) => {
    const query = Object.fromEntries(new URL(address, 'http://x').searchParams)
    asked.push(query)
    const text = (query.q ?? '').toLowerCase()
    const found = rows.filter((row) => JSON.stringify(row).toLowerCase().includes(text))
    const page = Number(query.page ?? 1)
    const results = found.slice(perPage * (page - 1), perPage * page)
    const next = found.length > perPage * page ? 'more' : null
    return new Response(JSON.stringify({ count: found.length, next, previous: null, results }))
  })
  return asked
}

function show(component: typeof ItemPicker | typeof UserPicker, props: object = {}) {
  const text = ref('')
  const chosen: unknown[][] = []
  const Host = defineComponent({
    setup: () => () =>
      h(component as never, {
        modelValue: text.value,
        'onUpdate:modelValue': (value: string) => (text.value = value),
        onChoose: (...given: unknown[]) => chosen.push(given),
        projectId: 4,
        inputAttrs: { id: 'box', 'aria-label': 'Box' },
        ...props,
      }),
  })
  const page = mount(Host, {
    attachTo: document.body,
    global: { plugins: [i18n, [VueQueryPlugin, { queryClient: new QueryClient() }]] },
  })
  const box = page.get('input')
  const type = async (value: string) => {
    await box.setValue(value)
    await vi.advanceTimersByTimeAsync(PAUSE_MS)
    await settle()
  }
  const press = async (key: string) => {
    await box.trigger('keydown', { key })
    await vi.advanceTimersByTimeAsync(0)
    await settle()
  }
  const options = () => page.findAll('[role="option"]').map((row) => row.attributes('data-id'))
  const active = () => page.find('[aria-selected="true"]').attributes('data-id')
  return { page, box, text, chosen, type, press, options, active }
}

describe('a picker of items', () => {
  it('opens by key, pages on at its end, and puts the id in the box', async () => {
    serve(ITEMS)
    const { box, text, chosen, press, options, active } = show(ItemPicker)
    expect(box.attributes('aria-expanded')).toBe('false')
    await press('ArrowDown')
    expect(box.attributes('aria-expanded')).toBe('true')
    expect(options()).toEqual(['1', '12'])
    await press('ArrowDown')
    expect(active()).toBe('1')
    expect(box.attributes('aria-activedescendant')).toBe(document.querySelector('[aria-selected="true"]')?.id)
    await press('ArrowDown')
    expect(options()).toEqual(['1', '12', 'a/b c'])
    await press('ArrowDown')
    await press('Enter')
    expect(text.value).toBe('a/b c')
    expect(chosen).toEqual([['a/b c', ITEMS[2]]])
    expect(box.attributes('aria-expanded')).toBe('false')
  })

  it('searches after a pause, once, and offers what a title matches', async () => {
    const asked = serve(ITEMS)
    const { page, box, text, type, press, active } = show(ItemPicker)
    await box.setValue('t')
    await box.setValue('to')
    await type('toy')
    expect(asked.map((query) => query.q)).toEqual(['toy'])
    expect(active()).toBe('1')
    expect(page.get('[role="status"]').text()).toBe('1 result')
    await press('Enter')
    expect(text.value).toBe('1')
    expect(page.get('[data-testid="picked-title"]').text()).toBe('Toy Story')
  })

  it('takes what is typed as an id, unless a title was meant', async () => {
    serve(ITEMS)
    const { text, chosen, type, press, active, page } = show(ItemPicker)
    await type('1')
    expect(active()).toBe('1')
    await type(' 007 ')
    expect(page.get('[role="status"]').text()).toContain('Nothing found')
    await press('Enter')
    expect(text.value).toBe(' 007 ')
    expect(chosen.at(-1)).toEqual([' 007 ', null])
  })

  it('closes by Escape without losing the text', async () => {
    serve(ITEMS)
    const { box, text, type, press } = show(ItemPicker)
    await type('toy')
    await press('Escape')
    expect([box.attributes('aria-expanded'), text.value]).toEqual(['false', 'toy'])
  })

  it('empties after each choice where several are gathered', async () => {
    serve(ITEMS)
    const { text, chosen, type, press } = show(ItemPicker, { clears: true })
    await type('toy')
    await press('Enter')
    await type('unheard of')
    await press('Enter')
    expect(text.value).toBe('')
    expect(chosen.map(([id]) => id)).toEqual(['1', 'unheard of'])
  })

  it('waits for the end of a Japanese conversion', async () => {
    serve(ITEMS)
    const { box, chosen, type } = show(ItemPicker)
    await type('toy')
    await box.trigger('keydown', { key: 'Enter', isComposing: true })
    expect(chosen).toEqual([])
  })
})

describe('a picker of users', () => {
  it('lists users by their ids, in Japanese, too', async () => {
    i18n.global.locale.value = 'ja'
    serve([{ user_id: '007', interactions: 12 }])
    const { page, press, options } = show(UserPicker)
    await press('ArrowDown')
    expect(options()).toEqual(['007'])
    expect(page.get('[role="option"]').text()).toContain('行動 12 件')
    expect(page.get('[role="listbox"]').attributes('aria-label')).toBe('ユーザー')
  })
})
