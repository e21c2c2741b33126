import { afterEach, describe, expect, it, vi } from 'vitest'
import { i18n } from '@/i18n'
import StudioPage from '@/pages/StudioPage.vue'
import { list, MEMBER, openPage, serveForms, settle, type FormAnswers } from './support'

vi.setConfig({ testTimeout: 30_000 })
let opened: Awaited<ReturnType<typeof openPage>> | undefined
afterEach(() => {
  opened?.page.unmount()
  vi.unstubAllGlobals()
})

const column = (name: string, role: string, confidence = 0.99, kind: string | null = null) => ({
  name,
  samples: ['1', '2'],
  role,
  kind,
  confidence,
  reason: 'it is named like that',
})
const file = (name: string, columns: object[], problems: object[] = []) => ({
  name,
  rows_seen: 1200,
  columns,
  problems,
})
const EVENTS = file('events.csv', [column('u', 'user_id'), column('i', 'item_id'), column('when', 'time')])
const guesses = (interactions: object = EVENTS, more: object = {}) => ({
  files: { interactions, items: null, users: null },
  is_sure: true,
  problems: [],
  ...more,
})
const TITLES = file('films.csv', [
  column('i', 'item_id'),
  column('name', 'title'),
  column('genre', 'feature', 0.9, 'category'),
])
const BOTH = { ...guesses(), files: { interactions: EVENTS, items: TITLES, users: null } }

async function open(forms: FormAnswers) {
  const sent = serveForms({ 'studio/guess/': () => [200, guesses()], ...forms })
  const found = await openPage('studio', StudioPage, {
    address: '/studio',
    user: MEMBER,
    answers: {
      'GET auth/user/': MEMBER,
      'GET studio/': list([]),
      'GET organisation/': list([{ id: 5, name: 'hanako', is_personal: true, role: 'owner' }]),
    },
  })
  opened = found
  /** Chooses files in the browser's own window. */
  async function choose(...names: string[]) {
    const input = found.id('studio-file-input')
    const files = names.map((name) => new File(['u,i,when\n1,2,3\n'], name))
    Object.defineProperty(input.element, 'files', { value: files, configurable: true })
    await input.trigger('change')
    await settle()
  }
  const role = (name: string) =>
    found.page.get(`[data-testid="mapping-row"][data-column="${name}"] [data-testid="role"]`)
  const texts = (testid: string) => found.page.findAll(`[data-testid="${testid}"]`).map((row) => row.text())
  const isBlocked = () => found.id('studio-submit').attributes('disabled') !== undefined
  async function start() {
    await found.page.get('form').trigger('submit')
    await settle()
    await settle()
  }
  return { ...found, forms: sent, choose, role, texts, isBlocked, start }
}

describe('files of the studio', () => {
  it('are told apart by their names, guessed together, and can change places', async () => {
    const { id, forms, choose, texts, isBlocked } = await open({ 'studio/guess/': () => [200, BOTH] })
    expect(id('obstacle').text()).toBe('Add a file of interactions or of items first.')
    expect(isBlocked()).toBe(true)
    await choose('events.csv', 'films.csv')
    expect(texts('file-name')).toEqual(['events.csv', 'films.csv'])
    expect(id('file-items').attributes('data-filled')).toBe('true')
    expect(forms.map((row) => row.url)).toEqual(['studio/guess/'])
    expect((forms[0]?.form.get('items') as File).name).toBe('films.csv')
    expect(isBlocked()).toBe(false)

    const moved = id('file-items').get('[data-testid="file-role"]')
    await moved.setValue('users')
    await settle()
    expect(id('file-users').text()).toContain('films.csv')
    expect((forms[1]?.form.get('users') as File).name).toBe('films.csv')
    await id('file-users').get('[data-testid="remove-file"]').trigger('click')
    await settle()
    expect(texts('file-name')).toEqual(['events.csv'])
  })

  it('are refused if nothing can read them', async () => {
    const { id, forms, choose, has } = await open({})
    await choose('photo.png')
    expect(id('studio-files').get('[data-testid="error-notice"]').text()).toContain('photo.png')
    expect(forms).toEqual([])
    expect(has('file-name')).toBe(false)
  })

  it('show why they could not be read, until they can', async () => {
    let isBroken = true
    const { id, page, choose, texts, forms } = await open({
      'studio/guess/': () =>
        isBroken ? [400, { interactions: ['The file "events.csv" is empty.'] }] : [200, guesses()],
    })
    await choose('events.csv')
    const notice = id('studio-mapping').get('[data-testid="error-notice"]')
    expect(notice.text()).toContain('The file "events.csv" is empty.')
    isBroken = false
    await notice.get('button').trigger('click')
    await settle()
    expect(forms).toHaveLength(2)
    expect(page.findAll('[data-testid="mapping-row"]')).toHaveLength(3)
    expect(texts('confidence')).toEqual(['Certain', 'Certain', 'Certain'])
  })
})

describe('the mapping of the studio', () => {
  it('shows what is wrong with a column, with a file, and between files', async () => {
    const problem = (severity: string, of: string | null, text: string) => ({ severity, column: of, text })
    const events = file(
      'events.csv',
      [column('u', 'user_id'), column('i', 'item_id', 0.6), column('x', 'ignored', 0.3)],
      [problem('error', null, 'No time.'), problem('warning', 'x', 'Always the same.')],
    )
    const { id, page, choose, texts, role } = await open({
      'studio/guess/': () => [200, guesses(events, { problems: ['No id is in both files.'] })],
    })
    await choose('events.csv')
    expect(texts('problem')).toEqual([
      'Warning: No id is in both files.',
      'Error: No time.',
      'Warning: x: Always the same.',
    ])
    expect(page.findAll('[data-severity="error"]')).toHaveLength(1)
    expect(id('unsure').text()).toBe('Please check 2 columns: the guesses may be wrong.')
    expect(texts('confidence')).toEqual(['Certain', 'Please check', 'Please check'])

    await role('x').setValue('time')
    expect(texts('confidence')).toEqual(['Certain', 'Please check', 'Your choice'])
    expect(id('unsure').text()).toBe('Please check 1 column: the guess may be wrong.')
  })

  it('cannot start with a mistake', async () => {
    const { id, choose, role, texts, isBlocked, has, forms, start } = await open({})
    await choose('events.csv')
    await role('u').setValue('item_id')
    expect(texts('mapping-mistake')).toEqual([
      'No column is “User” yet. Choose one.',
      'Two columns are “Item”. Choose one.',
    ])
    expect(role('u').attributes('aria-invalid')).toBe('true')
    expect(id('obstacle').text()).toBe('Some columns still need a meaning.')
    expect(isBlocked()).toBe(true)
    await start()
    expect(forms.map((row) => row.url)).toEqual(['studio/guess/'])
    await role('u').setValue('user_id')
    expect(has('mapping-mistake')).toBe(false)
    expect(isBlocked()).toBe(false)
  })
})

const RUN = { id: 9, project: 3, project_name: 'Shop', name: 'Shop', state: 'running', stages: [] }
const started = { 'studio/': (): [number, unknown] => [201, RUN] }

describe('the start of a run', () => {
  it('sends the files and the mapping, and goes to the run', async () => {
    const { id, forms, choose, role, start, router } = await open({
      'studio/guess/': () => [200, BOTH],
      ...started,
    })
    await choose('events.csv', 'films.csv')
    await role('when').setValue('ignored')
    await id('kind').setValue('text')
    await id('studio-name').setValue(' Shop ')
    await start()
    const { url, form } = forms.at(-1) ?? { url: '', form: new FormData() }
    expect(url).toBe('studio/')
    expect(JSON.parse(String(form.get('mapping')))).toEqual({
      interactions: { u: 'user_id', i: 'item_id', when: 'ignored' },
      items: { i: 'item_id', name: 'title', genre: { role: 'feature', kind: 'text' } },
    })
    expect(['name', 'organisation', 'goal', 'budget_seconds'].map((name) => form.get(name))).toEqual([
      'Shop',
      '5',
      'auto',
      '60',
    ])
    expect([form.get('interactions'), form.get('items')].map((row) => (row as File).name)).toEqual([
      'events.csv',
      'films.csv',
    ])
    // What is small is sent first.
    expect([...form.keys()].at(-2)).toBe('interactions')
    expect(router.currentRoute.value.fullPath).toBe('/studio/9')
  })

  it('takes the guesses of a server that asks what columns mean', async () => {
    const asked = guesses(file('events.csv.gz', [column('a', 'user_id', 0.5), column('b', 'item_id', 0.5)]))
    let answers = 0
    const { id, has, page, forms, choose, texts, start, router } = await open({
      'studio/guess/': () => [413, { detail: 'Too large.' }],
      'studio/': () =>
        (answers += 1) === 1
          ? [422, { detail: 'Say what the columns mean.', code: 'mapping_needed', guesses: asked }]
          : [201, RUN],
    })
    await choose('events.csv.gz')
    await start()
    expect(forms.at(-1)?.form.has('mapping')).toBe(false)
    expect(has('studio-sending')).toBe(false)
    expect(texts('confidence')).toEqual(['Please check', 'Please check'])
    expect(id('studio-start').find('[data-testid="error-notice"]').exists()).toBe(false)
    expect(document.activeElement).toBe(page.find('[data-testid="role"]').element)

    await start()
    expect(JSON.parse(String(forms.at(-1)?.form.get('mapping')))).toEqual({
      interactions: { a: 'user_id', b: 'item_id' },
    })
    expect(router.currentRoute.value.fullPath).toBe('/studio/9')
  })

  it('says at the field what the server refuses, and elsewhere what is about none', async () => {
    let refusal: [number, unknown] = [400, { name: ['A project of this name exists already.'] }]
    const { id, page, choose, start, isBlocked, router } = await open({ 'studio/': () => refusal })
    await choose('events.csv')
    await id('studio-name').setValue('')
    await start()
    expect(id('studio-start').text()).toContain('This field is required')
    await id('studio-name').setValue('Shop')
    await start()
    expect(id('studio-start').text()).toContain('A project of this name exists already.')
    expect(id('studio-name').attributes('aria-invalid')).toBe('true')
    refusal = [409, { detail: 'Too many runs are going on.' }]
    await start()
    expect(id('studio-start').get('[data-testid="error-notice"]').text()).toContain('Too many runs')
    expect(page.findAll('[data-testid="mapping-row"]')).toHaveLength(3)
    expect(isBlocked()).toBe(false)
    expect(router.currentRoute.value.fullPath).toBe('/studio')
  })

  it('can be cancelled while files are sent, and says nothing then', async () => {
    const { id, has, page, choose, start, texts } = await open({ 'studio/': () => undefined })
    await choose('events.csv')
    await start()
    expect(has('studio-submit')).toBe(false)
    expect(has('choose-files')).toBe(false)
    expect(page.get('[data-testid="role"]').attributes('disabled')).toBeDefined()
    await id('studio-sending').get('button').trigger('click')
    await settle()
    expect(has('studio-submit')).toBe(true)
    expect(has('error-notice')).toBe(false)
    expect(texts('file-name')).toEqual(['events.csv'])
  })

  it('is in Japanese, too', async () => {
    const { id, choose, role, texts } = await open({})
    i18n.global.locale.value = 'ja'
    await choose('events.csv')
    await role('u').setValue('ignored')
    expect(texts('mapping-mistake')).toEqual([
      '「ユーザー」の列が選択されていません。列を 1 つ選択してください。',
    ])
    expect(id('obstacle').text()).toMatch(/列/)
    i18n.global.locale.value = 'en'
  })
})
