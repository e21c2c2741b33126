import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ComponentPublicInstance } from 'vue'
import type { App, Endpoint, ErrorCode, Message } from '@/api/integrations'
import { i18n } from '@/i18n'
import { isOrigin, isWebAddress, linesOf } from '@/lib/origins'
import { SERVED_TOPIC, TEST_TOPIC, topicKey, TOPICS } from '@/lib/topics'
import { healthOf, isDelivered, overlaps } from '@/lib/webhooks'
import IntegrationsPage from '@/pages/IntegrationsPage.vue'
import WebhookPage from '@/pages/WebhookPage.vue'
import { ADMIN, list, MEMBER, openPage, settle, type Answers } from './support'
import { common, MODEL, PROJECT, slot } from './traffic-fixtures'

afterEach(() => vi.unstubAllGlobals())

const APP: App = {
  id: 4,
  project: 3,
  name: 'Web shop',
  allowed_origins: ['https://shop.example.com'],
  is_active: true,
  api_key: 9,
  key_prefix: 'a1b2c3d4',
  requests_30_days: 12,
  ins_datetime: '2026-11-01T00:00:00Z',
  updated_at: '2026-11-01T00:00:00Z',
}
const USAGE = {
  days: [
    { day: '2026-11-29', requests: 2, items: 20, errors: 0 },
    { day: '2026-11-30', requests: 10, items: 98, errors: 1 },
  ],
  requests: 12,
  items: 118,
  errors: 1,
}
const ENDPOINT: Endpoint = {
  id: 6,
  project: 3,
  app: null,
  url: 'https://shop.example.com/hook',
  description: '',
  topics: [],
  is_active: true,
  disabled_reason: null,
  disabled_at: null,
  rate_per_second: null,
  signing_secret: {
    is_set: true,
    hint: '…abcd',
    updated_at: '2026-11-01T00:00:00Z',
    previous_until: null,
  },
  last_attempt: null,
  ins_datetime: '2026-11-01T00:00:00Z',
  updated_at: '2026-11-01T00:00:00Z',
}
const MESSAGE: Message = {
  id: '0199b0c2-7d1e-7000-8000-000000000001',
  topic: 'model.trained',
  ins_datetime: '2026-11-30T00:00:00Z',
  state: 'failed',
  attempts: 10,
  next_attempt_at: null,
  status_code: 500,
  error_code: 'http_status',
}

describe('what is typed', () => {
  it('is an origin only without a path', () => {
    for (const origin of ['https://shop.example.com', 'http://localhost:3000', 'https://Shop.Example.com'])
      expect(isOrigin(origin), origin).toBe(true)
    for (const other of ['shop.example.com', 'https://shop.example.com/a', 'ftp://x.y', '*', 'null', ''])
      expect(isOrigin(other), other).toBe(false)
    expect(linesOf(' https://a.b \n\n https://c.d\n')).toEqual(['https://a.b', 'https://c.d'])
  })

  it('is an address of the web', () => {
    expect(isWebAddress('https://shop.example.com/hook?x=1')).toBe(true)
    for (const other of ['shop.example.com', 'file:///etc/passwd', 'javascript:alert(1)', ''])
      expect(isWebAddress(other), other).toBe(false)
  })
})

describe('the health of a webhook', () => {
  const attempt = (status_code: number | null, error_code: ErrorCode | null) => ({
    at: '2026-11-30T00:00:00Z',
    status_code,
    error_code,
  })
  it('is that of its last attempt, unless it is off', () => {
    expect(healthOf(ENDPOINT)).toBe('untried')
    expect(healthOf({ ...ENDPOINT, last_attempt: attempt(204, null) })).toBe('healthy')
    expect(healthOf({ ...ENDPOINT, last_attempt: attempt(500, 'http_status') })).toBe('failing')
    expect(healthOf({ ...ENDPOINT, last_attempt: attempt(null, 'timed_out') })).toBe('failing')
    expect(healthOf({ ...ENDPOINT, is_active: false, last_attempt: attempt(204, null) })).toBe('off')
  })

  it('is good for 2xx only', () => {
    expect([199, 200, 299, 300, 302].map((code) => isDelivered(attempt(code, null)))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ])
    expect(isDelivered(attempt(200, 'timed_out'))).toBe(false)
  })

  it('has a former secret until its time is over', () => {
    const until = '2026-11-30T12:00:00Z'
    expect(overlaps(until, Date.parse(until) - 1)).toBe(true)
    expect(overlaps(until, Date.parse(until))).toBe(false)
    expect(overlaps(null)).toBe(false)
  })
})

describe('topics', () => {
  it('have a name and an explanation', () => {
    for (const topic of [...TOPICS, TEST_TOPIC])
      for (const part of ['topics', 'topicHints'])
        expect(i18n.global.te(`${part}.${topicKey(topic)}`), topic).toBe(true)
  })
})

const answers: Answers = {
  ...common,
  'GET app/': list([APP]),
  'GET app/4/usage/': USAGE,
  'GET webhook_endpoint/': list([ENDPOINT]),
  'GET webhook_endpoint/6/': ENDPOINT,
  'GET webhook_endpoint/6/messages/': list([MESSAGE]),
  [`GET webhook_endpoint/6/messages/${MESSAGE.id}/`]: {
    ...MESSAGE,
    payload: { type: 'model.trained', data: { model: 7 } },
    tries: [
      {
        at: MESSAGE.ins_datetime,
        status_code: 500,
        error_code: 'http_status',
        duration_ms: 31,
        response_head: 'no',
      },
      {
        at: MESSAGE.ins_datetime,
        status_code: null,
        error_code: 'new_word',
        duration_ms: 5,
        response_head: null,
      },
    ],
  },
  'GET deployment_slot/': list([slot(1, 'Front page', 100)]),
  'GET trained_model/': list([MODEL]),
}

describe('integrations', () => {
  const open = (changes: Answers = {}, user = ADMIN) =>
    openPage('integrations', IntegrationsPage, {
      address: '/projects/3/integrations',
      user,
      answers: { ...answers, ...changes },
    })

  it('registers an app, and shows its key once with a command that works', async () => {
    const { page, id, has, sent } = await open({
      'POST app/': (body: object) => [201, { ...APP, ...body, id: 5, key: 'rctm_secret' }],
    })
    await id('new-app').trigger('click')
    await settle()
    await id('app-name').setValue(' Kiosk ')
    await id('app-origins').setValue('https://kiosk.example.com\nhttps://a.b/c')
    await page.get('form').trigger('submit')
    await settle()
    expect(page.text()).toContain('“https://a.b/c” is not an origin')
    expect(sent).toEqual([])
    await id('app-origins').setValue('https://kiosk.example.com\n')
    await page.get('form').trigger('submit')
    await settle()
    expect(sent[0]?.body).toEqual({
      project: 3,
      name: 'Kiosk',
      allowed_origins: ['https://kiosk.example.com'],
    })
    expect(id('app-key').text()).toBe('rctm_secret')
    expect(id('app-curl').text()).toContain("/inference/predict/project/3 -H 'X-API-Key: rctm_secret'")
    expect(id('app-key-copy').attributes('autofocus')).toBeDefined()
    await id('app-key-stored').trigger('click')
    expect(id('app-key-not-copied').text()).toContain('You have not copied the key.')
    expect(id('app-key').text(), 'it is asked once').toBe('rctm_secret')
    await id('app-key-stored').trigger('click')
    await settle()
    expect(document.activeElement).toBe(id('new-app').element)
    expect(has('app-key')).toBe(false)
    expect(page.text()).not.toContain('rctm_secret')
    page.unmount()
  })

  it('shows what an app asked for', async () => {
    const { page, id } = await open()
    expect(id('app-requests').text()).toContain('12')
    expect(id('usage-bars').attributes('aria-label')).toContain('12 requests in 30 days; most on Nov 30: 10')
    expect(id('usage-bars').findAll('g')).toHaveLength(2)
    page.unmount()
  })

  it('names the model in the command as long as no slot answers', async () => {
    const { page, id } = await open({
      'GET deployment_slot/': list([slot(1, 'Front page', 100, false)]),
      'POST app/': (body: object) => [201, { ...APP, ...body, key: 'rctm_secret' }],
    })
    await id('new-app').trigger('click')
    await settle()
    await id('app-name').setValue('Kiosk')
    await page.get('form').trigger('submit')
    await settle()
    expect(id('app-curl').text()).toContain('/inference/predict/7 ')
    page.unmount()
  })

  it('makes a webhook for chosen topics, and leads to it when its secret is stored', async () => {
    const { page, id, has, sent, router } = await open({
      'POST webhook_endpoint/': (body: object) => [201, { ...ENDPOINT, ...body, secret: 'whsec_1234' }],
    })
    await id('new-webhook').trigger('click')
    await settle()
    await id('webhook-url').setValue('shop.example.com')
    await page.get('[data-testid="topics-some"] input').setValue(true)
    await page.get('form').trigger('submit')
    await settle()
    expect(page.text()).toContain('Enter a full URL')
    expect(page.text()).toContain('Select at least one topic.')
    expect(sent).toEqual([])
    await id('webhook-url').setValue('https://shop.example.com/hook')
    await page.get('[data-testid="topic-model.trained"] input').setValue(true)
    expect(has('webhook-app')).toBe(false)
    await page.get('form').trigger('submit')
    await settle()
    expect(sent[0]?.body).toEqual({
      project: 3,
      url: 'https://shop.example.com/hook',
      description: '',
      topics: ['model.trained'],
      rate_per_second: null,
      app: null,
    })
    expect(id('webhook-secret').text()).toBe('whsec_1234')
    await id('webhook-secret').trigger('copy')
    await id('webhook-secret-stored').trigger('click')
    await settle()
    expect(router.currentRoute.value.path).toBe('/projects/3/integrations/webhooks/6')
    expect(page.text()).not.toContain('whsec_1234')
    page.unmount()
  })

  it('offers nothing to viewers and editors that they may not do', async () => {
    const { page, has, id } = await open(
      {
        'GET project/3/': PROJECT,
        'GET organisation/': list([{ id: 5, name: 'Books', role: 'editor' }]),
      },
      MEMBER,
    )
    for (const button of ['new-app', 'app-actions', 'new-webhook']) expect(has(button), button).toBe(false)
    expect(id('webhook-row').text()).toContain(ENDPOINT.url)
    page.unmount()
  })

  it('shows the one that fails first', async () => {
    const bad = {
      ...ENDPOINT,
      id: 8,
      url: 'https://z.example.com',
      last_attempt: { at: MESSAGE.ins_datetime, status_code: 302, error_code: 'redirected' },
    }
    const { page, id } = await open({ 'GET webhook_endpoint/': list([ENDPOINT, bad]) })
    expect(id('webhook-row').text()).toContain('https://z.example.com')
    expect(id('webhook-row').text()).toContain('Failing')
    expect(id('webhook-row').text()).toContain('HTTP 302 · Redirects are not followed')
    page.unmount()
  })
})

describe('a webhook', () => {
  const open = (changes: Answers = {}, query = '') =>
    openPage('webhook', WebhookPage, {
      address: `/projects/3/integrations/webhooks/6${query}`,
      user: ADMIN,
      answers: { ...answers, ...changes },
    })

  it('says why it was switched off, and is switched on again', async () => {
    const off = {
      ...ENDPOINT,
      is_active: false,
      disabled_reason: 'gone',
      disabled_at: '2026-11-30T00:00:00Z',
    }
    const { page, id, sent } = await open({
      'GET webhook_endpoint/6/': off,
      'PATCH webhook_endpoint/6/': () => [200, ENDPOINT],
    })
    expect(id('webhook-state').text()).toContain('410 Gone')
    expect(id('send-test').attributes('disabled')).toBeDefined()
    await id('switch-on').trigger('click')
    await settle()
    expect(sent).toEqual([{ method: 'PATCH', url: 'webhook_endpoint/6/', body: { is_active: true } }])
    page.unmount()
  })

  it('shows a message with its attempts, and sends it again', async () => {
    const { page, id, sent, router } = await open({
      [`POST webhook_endpoint/6/messages/${MESSAGE.id}/retry/`]: () => [202, { message: MESSAGE.id }],
    })
    expect(id('message-row').text()).toMatch(/Failed.*Model trained.*HTTP 500.*10 attempts/s)
    await id('message-row').get('button').trigger('click')
    await settle()
    expect(router.currentRoute.value.query).toEqual({ message: MESSAGE.id })
    const tries = page.findAll('[data-testid="message-try"]').map((row) => row.text())
    expect(tries[0]).toMatch(/HTTP 500.*31 ms.*no/s)
    // A word that this page does not know is shown as it is.
    expect(tries[1]).toContain('new_word')
    expect(id('message-payload').text()).toContain('"model": 7')
    await id('retry-message').trigger('click')
    await settle()
    expect(sent[0]?.url).toBe(`webhook_endpoint/6/messages/${MESSAGE.id}/retry/`)
    page.unmount()
  })

  it('warns before a secret is replaced for the second time within a day', async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString()
    const signing_secret = { ...ENDPOINT.signing_secret, previous_until: until }
    for (const [endpoint, text, severity] of [
      [ENDPOINT, 'Messages are signed with both secrets for 24 hours.', undefined],
      [
        { ...ENDPOINT, signing_secret },
        /^The secret from before Nov 1, 2026.* stops being valid now\./,
        'danger',
      ],
    ] as const) {
      const { page, id } = await open({ 'GET webhook_endpoint/6/': endpoint })
      const asked = vi.spyOn((page.vm as ComponentPublicInstance).$confirm, 'require')
      await id('webhook-actions').trigger('click')
      await settle()
      const rotate = page.findAll('[role="menuitem"] a, [role="menuitem"] .p-menu-item-content')
      await rotate.find((row) => row.text() === 'New secret')?.trigger('click')
      expect(asked.mock.calls[0]?.[0].message).toMatch(text)
      expect((asked.mock.calls[0]?.[0].acceptProps as { severity?: string }).severity).toBe(severity)
      page.unmount()
    }
  })

  it('tells a message that is sent again from one that waits for the first time', async () => {
    const waiting = (id: string, attempts: number) => ({ ...MESSAGE, id, state: 'waiting', attempts })
    const { page } = await open({
      'GET webhook_endpoint/6/messages/': list([waiting('a', 0), waiting('b', 2)]),
    })
    const badges = page.findAll('[data-testid="message-row"] [data-testid="status"]')
    expect(badges.map((row) => [row.attributes('data-status'), row.text()])).toEqual([
      ['waiting', 'Waiting'],
      ['retrying', 'Retrying'],
    ])
    page.unmount()
  })

  it('keeps its filters in the address', async () => {
    const { page, id, router } = await open({}, '?state=failed&page=2')
    expect((id('filter-state').element as HTMLSelectElement).value).toBe('failed')
    await id('filter-topic').setValue(SERVED_TOPIC)
    await settle()
    expect(router.currentRoute.value.query).toEqual({ state: 'failed', topic: SERVED_TOPIC })
    page.unmount()
  })
})
