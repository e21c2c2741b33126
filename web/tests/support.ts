import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { flushPromises, mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import PrimeVue from 'primevue/config'
import ConfirmationService from 'primevue/confirmationservice'
import ToastService from 'primevue/toastservice'
import { vi } from 'vitest'
import { defineComponent, h, type Component } from 'vue'
import { createMemoryHistory, createRouter, RouterView } from 'vue-router'
import type { User } from '@/api/types'
import { i18n } from '@/i18n'
import { routes } from '@/router'
import { useSession } from '@/stores/session'

export interface Sent {
  method: string
  url: string
  body: Record<string, unknown> | undefined
}
/** Answers by `METHOD path-below-the-base`; a function gets the body. Paths that are not listed are not found. */
export type Answers = Record<string, unknown | ((body: Record<string, unknown>) => [number, unknown])>

export const ADMIN = {
  pk: 1,
  username: 'admin',
  email: '',
  first_name: '',
  last_name: '',
  is_superuser: true,
  is_staff: true,
} as unknown as User
export const MEMBER = {
  ...ADMIN,
  pk: 2,
  username: 'hanako',
  is_staff: false,
  is_superuser: false,
} as unknown as User

/** Replaces the server; returns the requests sent to it, without reads. */
export function serve(answers: Answers): Sent[] {
  const sent: Sent[] = []
  vi.stubGlobal('fetch', async (address: string, init: RequestInit) => {
    const method = init.method ?? 'GET'
    const url = address.replace('/api/v1/', '').split('?')[0] ?? ''
    const body = init.body ? (JSON.parse(String(init.body)) as Record<string, unknown>) : undefined
    if (method !== 'GET') sent.push({ method, url, body })
    const answer = answers[`${method} ${url}`]
    const [status, content] =
      answer === undefined
        ? [404, { detail: 'Not found.' }]
        : typeof answer === 'function'
          ? answer(body ?? {})
          : [200, answer]
    return new Response(status === 204 ? null : JSON.stringify(content), { status })
  })
  return sent
}

const Blank = defineComponent({ render: () => h('p', 'elsewhere') })

/** Opens a page at its address; every other address of the application leads to a blank one. */
export async function openPage(
  name: string,
  component: Component,
  { address, user = null, answers }: { address: string; user?: User | null; answers: Answers },
) {
  const sent = serve(answers)
  i18n.global.locale.value = 'en'
  const pinia = createPinia()
  setActivePinia(pinia)
  const session = useSession()
  session.user = user
  session.loaded = true
  const flat: { path: string; name: string; props: unknown }[] = []
  const walk = (rows: typeof routes, base: string) => {
    for (const row of rows) {
      const path = row.path.startsWith('/') ? row.path : `${base}/${row.path}`.replace(/\/+/g, '/')
      if (row.children) walk(row.children, path)
      else
        flat.push({
          path: path === '/' ? '/' : path.replace(/\/$/, ''),
          name: String(row.name),
          props: row.props,
        })
    }
  }
  walk(routes, '')
  const router = createRouter({
    history: createMemoryHistory(),
    routes: flat.map((row) => ({ ...row, component: row.name === name ? component : Blank }) as never),
  })
  const page = mount(RouterView, {
    attachTo: document.body,
    global: {
      plugins: [
        pinia,
        i18n,
        router,
        PrimeVue,
        ConfirmationService,
        ToastService,
        [VueQueryPlugin, { queryClient: new QueryClient({ defaultOptions: { queries: { retry: false } } }) }],
      ],
      stubs: { teleport: true, transition: true },
    },
  })
  await router.push(address)
  await settle()
  const id = (testid: string) => page.get(`[data-testid="${testid}"]`)
  const has = (testid: string) => page.find(`[data-testid="${testid}"]`).exists()
  return { page, id, has, sent, router, session }
}

export async function settle() {
  for (let round = 0; round < 4; round += 1) await flushPromises()
}

export const list = (results: unknown[]) => ({ count: results.length, next: null, previous: null, results })

/** A page of items, with the columns of their titles and pictures. */
export const itemList = (
  results: unknown[],
  title_column: string | null = 'title',
  image_column: string | null = null,
) => ({ ...list(results), title_column, image_column })

/** A form with files, as it was sent. */
export interface SentForm {
  url: string
  form: FormData
}
/** Answers forms by address below the base; without an answer the form stays on its way. */
export type FormAnswers = Record<string, (form: FormData) => [number, unknown] | undefined>

/** Replaces what sends forms with files; returns those that were sent. */
export function serveForms(answers: FormAnswers): SentForm[] {
  const sent: SentForm[] = []
  class FakeRequest extends EventTarget {
    upload = new EventTarget()
    status = 0
    responseText = ''
    private url = ''
    open(_method: string, address: string) {
      this.url = address.replace('/api/v1/', '')
    }
    setRequestHeader() {}
    getResponseHeader = () => null
    send(form: FormData) {
      sent.push({ url: this.url, form })
      const answer = answers[this.url]?.(form)
      if (!answer) return
      this.status = answer[0]
      this.responseText = JSON.stringify(answer[1])
      queueMicrotask(() => this.dispatchEvent(new Event('load')))
    }
    abort() {
      this.dispatchEvent(new Event('abort'))
    }
  }
  vi.stubGlobal('XMLHttpRequest', FakeRequest)
  return sent
}
