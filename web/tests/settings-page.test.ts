import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { flushPromises, mount } from '@vue/test-utils'
import PrimeVue from 'primevue/config'
import ConfirmationService from 'primevue/confirmationservice'
import InputNumber from 'primevue/inputnumber'
import ToastService from 'primevue/toastservice'
import { afterEach, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter, RouterView } from 'vue-router'
import { i18n } from '@/i18n'
import SettingsPage from '@/pages/SettingsPage.vue'

const PROJECT = {
  id: 3,
  owner: 1,
  name: 'Shop',
  user_column: 'u',
  item_column: 'i',
  time_column: 't',
  event_column: 'e',
  title_column: 'headline',
  image_column: null,
  event_weights: { view: 0.5 },
  half_life_days: 30,
  ins_datetime: '',
  updated_at: '',
}
const UPLOAD = {
  id: 9,
  project: 3,
  report: {
    events: [
      { name: 'view', rows: 90 },
      { name: 'buy', rows: 7 },
    ],
  },
}

vi.setConfig({ testTimeout: 30_000 })
afterEach(() => vi.unstubAllGlobals())

/** Opens the page with the server's answers; `answer` is the answer to saving. */
async function open(answer: (body: Record<string, unknown>) => [number, unknown]) {
  const sent: Record<string, unknown>[] = []
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    const json = (status: number, body: unknown) => new Response(JSON.stringify(body), { status })
    if (init.method === 'PATCH') {
      const body = JSON.parse(String(init.body)) as Record<string, unknown>
      sent.push(body)
      return json(...answer(body))
    }
    return json(200, url.includes('training_data') ? [UPLOAD] : PROJECT)
  })
  i18n.global.locale.value = 'en'
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: '/', component: SettingsPage, props: { projectId: 3 } }],
  })
  const page = mount(RouterView, {
    attachTo: document.body,
    global: {
      plugins: [
        i18n,
        router,
        PrimeVue,
        ConfirmationService,
        ToastService,
        [VueQueryPlugin, { queryClient: new QueryClient() }],
      ],
    },
  })
  await router.push('/')
  await flushPromises()
  const id = (name: string) => page.get(`[data-testid="${name}"]`)
  const save = async () => {
    await page.get('[data-testid="settings"]').trigger('submit')
    await flushPromises()
  }
  return { page, id, save, sent }
}

it('only what was changed is saved', async () => {
  const { page, id, save, sent } = await open((body) => [200, { ...PROJECT, ...body }])
  await save()
  expect(sent).toEqual([])
  await id('event-proposal').trigger('click')
  expect(page.findAll('[data-testid="event-row"]')).toHaveLength(2)
  expect(id('save-state').attributes('data-unsaved')).toBe('true')
  await save()
  expect(sent).toEqual([{ event_weights: { view: 0.5, buy: 1 } }])
  expect(id('save-state').attributes('data-unsaved')).toBe('false')
  page.unmount()
})

it('a type of event that no upload has is named with the one that was meant', async () => {
  const { page, id } = await open((body) => [200, body])
  await id('new-event').setValue('viwe')
  document
    .querySelector<HTMLFormElement>('#new-event-form')
    ?.dispatchEvent(new Event('submit', { cancelable: true }))
  await flushPromises()
  expect(id('event-meant').text()).toBe('Did you mean “view”?')
  page.unmount()
})

it('what the server refuses is said at its field, which gets the focus', async () => {
  const { page, id, save } = await open(() => [
    400,
    { time_column: ['There is another column of this name.'] },
  ])
  await id('settings-time-column').setValue('i')
  await save()
  expect(page.get('#time-column-error').text()).toBe('There is another column of this name.')
  expect(document.activeElement?.id).toBe('time-column')
  expect(page.find('[data-testid="error-notice"]').exists()).toBe(false)
  expect(id('save-state').attributes('data-unsaved')).toBe('true')
  page.unmount()
})

it('the columns of titles and pictures are optional', async () => {
  const { page, id, save, sent } = await open((body) => [200, { ...PROJECT, ...body }])
  expect((id('settings-title-column').element as HTMLInputElement).value).toBe('headline')
  expect(page.get('#title-column-hint').text()).toContain('Found by its name if empty')
  await id('settings-title-column').setValue('')
  await id('settings-image-column').setValue('pic')
  await save()
  expect(sent).toEqual([{ title_column: null, image_column: 'pic' }])
  page.unmount()
})

it('a mistake that can be seen here is not sent', async () => {
  const { page, id, save, sent } = await open(() => [500, {}])
  await id('settings-name').setValue(' ')
  await save()
  expect(page.get('#settings-name-error').text()).toBe('This field is required.')
  expect(sent).toEqual([])
  await id('settings-discard').trigger('click')
  expect((id('settings-name').element as HTMLInputElement).value).toBe('Shop')
  page.unmount()
})

it('the share of places for new items is a percentage here and a fraction for the server', async () => {
  const { page, id, save, sent } = await open((body) => [200, { ...PROJECT, ...body }])
  const input = id('new-item-share')
  expect((input.element as HTMLInputElement).value).toBe('0 %')
  expect(page.get('#new-item-share-hint').text()).toContain('logged')
  expect(input.attributes('aria-describedby')).toBe('new-item-share-hint')
  page
    .findAllComponents(InputNumber)
    .find((field) => field.props('inputId') === 'new-item-share')
    ?.vm.$emit('update:modelValue', 12.5)
  await flushPromises()
  await save()
  expect(sent).toEqual([{ new_item_share: 0.125 }])
  page.unmount()
})
