import { afterEach, describe, expect, it, vi } from 'vitest'
import { i18n } from '@/i18n'
import StudioPage from '@/pages/StudioPage.vue'
import { list, MEMBER, openPage, serveForms, settle, type Answers, type FormAnswers } from './support'

vi.setConfig({ testTimeout: 30_000 })
let opened: Awaited<ReturnType<typeof openPage>> | undefined
afterEach(() => {
  opened?.page.unmount()
  vi.useRealTimers()
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

const RUN = { id: 9, project: 3, project_name: 'Shop', name: 'Shop', state: 'running', stages: [] }
const started = { 'studio/': (): [number, unknown] => [201, RUN] }

async function open(forms: FormAnswers, more: Answers = {}) {
  const sent = serveForms({ 'studio/guess/': () => [200, guesses()], ...forms })
  const found = await openPage('studio', StudioPage, {
    address: '/studio',
    user: MEMBER,
    answers: {
      'GET auth/user/': MEMBER,
      'GET studio/': list([]),
      'GET project/': list([]),
      'GET organisation/': list([{ id: 5, name: 'hanako', is_personal: true, role: 'owner' }]),
      ...more,
    },
  })
  opened = found
  /** Chooses files in the browser's own window. */
  const choose = (...names: string[]) =>
    chooseFiles(...names.map((name) => new File(['u,i,when\n1,2,3\n'], name)))
  async function chooseFiles(...files: File[]) {
    const input = found.id('studio-file-input')
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
  return { ...found, forms: sent, choose, chooseFiles, role, texts, isBlocked, start }
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

  it('are refused if nothing can read them, without the others', async () => {
    const { id, forms, choose, has, texts } = await open({})
    await choose('photo.png')
    expect(id('file-notice').text()).toContain('photo.png was not used. ')
    expect(forms).toEqual([])
    expect(has('file-name')).toBe(false)
    await choose('photo.png', 'events.csv')
    expect(texts('file-name')).toEqual(['events.csv'])
    expect(texts('file-notice')).toHaveLength(1)
  })

  it('never vanish silently', async () => {
    const { choose, texts } = await open({})
    await choose('events.csv')
    await choose('clicks.csv')
    expect(texts('file-name')).toEqual(['clicks.csv'])
    expect(texts('file-notice')).toEqual(['clicks.csv replaced events.csv.'])
    await choose('a.csv', 'b.csv', 'c.csv', 'd.csv')
    expect(texts('file-notice')).toContain('d.csv was not used. There is another file for each use.')
    await choose()
    await choose('items.csv')
    expect(texts('file-notice')).toEqual(['items.csv replaced a.csv.'])
  })

  it('that are empty cannot start, and say so', async () => {
    const { id, forms, chooseFiles, isBlocked } = await open({})
    await chooseFiles(new File([], 'events.csv'))
    expect(id('empty-file').text()).toBe('events.csv is empty.')
    expect(id('obstacle').text()).toBe('events.csv is empty.')
    expect(isBlocked()).toBe(true)
    expect(forms).toEqual([])
  })

  it('that cannot be used as they are cannot start, and say why', async () => {
    const headed = file(
      'events.csv',
      [column('u', 'user_id'), column('i', 'item_id')],
      [{ severity: 'error', column: null, text: 'The file has a header but no rows.' }],
    )
    const { id, choose, isBlocked, start, forms } = await open({
      'studio/guess/': () => [200, guesses(headed, { is_sure: false })],
    })
    await choose('events.csv')
    expect(id('obstacle').text()).toBe('events.csv: The file has a header but no rows.')
    expect(isBlocked()).toBe(true)
    await start()
    expect(forms.map((row) => row.url)).toEqual(['studio/guess/'])
  })

  it('may have two columns of one name only if none of them is used', async () => {
    const twice = file(
      'events.csv',
      [column('u', 'user_id'), column('i', 'item_id'), column('i', 'ignored')],
      [{ severity: 'error', column: 'i', text: '2 columns are named "i".' }],
    )
    const { id, page, choose, has } = await open({
      'studio/guess/': () => [200, guesses(twice, { is_sure: false })],
    })
    await choose('events.csv')
    expect(id('obstacle').text()).toBe('events.csv: 2 columns are named "i".')
    const roles = page.findAll('[data-testid="role"]')
    await roles[1]?.setValue('ignored')
    expect(id('obstacle').text()).toBe('Some columns still need a meaning.')
    expect(has('headless')).toBe(false)
  })

  it('say that their names are missing', async () => {
    const bare = file('events.csv', [column('196', 'user_id', 0.5), column('242', 'item_id', 0.5)])
    const { id, choose } = await open({ 'studio/guess/': () => [200, guesses(bare, { is_sure: false })] })
    await choose('events.csv')
    expect(id('file-interactions').get('[data-testid="headless"]').text()).toBe(
      'The first row looks like data. Add a row with column names.',
    )
    i18n.global.locale.value = 'ja'
    await settle()
    expect(id('headless').text()).toBe('1 行目がデータのようです。列名の行を追加してください。')
    i18n.global.locale.value = 'en'
  })

  it('are read again by themselves after the server had too many requests', async () => {
    let isBusy = true
    const { id, choose, forms, isBlocked, page } = await open({
      'studio/guess/': () => (isBusy ? [429, { detail: 'Request was throttled.' }] : [200, guesses()]),
    })
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] })
    await choose('events.csv')
    expect(id('countdown-text').text()).toBe('Reading again in 60 seconds.')
    expect(id('obstacle').text()).toBe('Reading again in 60 seconds.')
    expect(isBlocked()).toBe(true)
    isBusy = false
    await vi.advanceTimersByTimeAsync(59_000)
    await settle()
    expect(id('countdown-text').text()).toBe('Reading again in 1 second.')
    await vi.advanceTimersByTimeAsync(1_000)
    vi.useRealTimers()
    await settle()
    expect(forms).toHaveLength(2)
    expect(page.findAll('[data-testid="mapping-row"]')).toHaveLength(3)
    expect(isBlocked()).toBe(false)
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
    expect(id('obstacle').text()).toBe('The file "events.csv" is empty.')
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
    expect(id('obstacle').text()).toBe('events.csv: No time.')
  })

  it('cannot start before each doubt is answered, by a choice or as it is', async () => {
    const doubtful = file('events.csv', [column('a', 'user_id', 0.5), column('b', 'item_id', 0.5)])
    const { id, page, choose, role, texts, isBlocked, has, forms, start } = await open({
      'studio/guess/': () => [200, guesses(doubtful, { is_sure: false })],
      ...started,
    })
    await choose('events.csv')
    expect(id('obstacle').text()).toBe('2 columns need your answer before the run can start.')
    expect(isBlocked()).toBe(true)
    await start()
    expect(forms).toHaveLength(1)
    expect(page.get('[data-column="b"] [data-testid="looks-right"]').attributes('aria-label')).toContain(
      '“b”',
    )
    await page.get('[data-column="b"] [data-testid="looks-right"]').trigger('click')
    await settle()
    expect(texts('confidence')).toEqual(['Please check', 'Confirmed'])
    expect(document.activeElement).toBe(role('b').element)
    expect(id('obstacle').text()).toBe('1 column needs your answer before the run can start.')
    await role('a').setValue('time')
    await role('a').setValue('user_id')
    expect([isBlocked(), has('looks-right'), has('unsure')]).toEqual([false, false, false])
    await start()
    expect(forms.map((row) => row.url)).toEqual(['studio/guess/', 'studio/'])
  })

  it('cannot start with files that seem to be swapped, until that is answered', async () => {
    const problems = ['The files seem to be swapped: the one sent as items has users in it, and …']
    let isSwapped = true
    const { id, has, choose, texts, isBlocked, forms } = await open({
      'studio/guess/': () => [200, isSwapped ? { ...BOTH, is_sure: false, problems } : BOTH],
    })
    await choose('events.csv', 'films.csv')
    expect(id('obstacle').text()).toContain('belong together')
    await id('continue-anyway').trigger('click')
    expect([isBlocked(), has('continue-anyway')]).toEqual([false, false])

    await choose('events.csv')
    expect(isBlocked(), 'other files are another question').toBe(true)
    isSwapped = false
    await id('swap-files').trigger('click')
    await settle()
    expect(texts('file-name')).toEqual(['films.csv', 'events.csv'])
    expect((forms.at(-1)?.form.get('items') as File).name).toBe('events.csv')
    expect([isBlocked(), has('swap-files')]).toEqual([false, false])
  })

  it('offers no exchange of files that only share no ids', async () => {
    const problems = [
      'The files share no item id: column "i" of the interactions and column "i" of the items file.',
    ]
    const { id, has, choose, isBlocked } = await open({
      'studio/guess/': () => [200, { ...BOTH, is_sure: false, problems }],
    })
    await choose('events.csv', 'films.csv')
    expect([isBlocked(), has('swap-files')]).toEqual([true, false])
    await id('continue-anyway').trigger('click')
    expect(isBlocked()).toBe(false)
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

describe('the start of a run', () => {
  it('suggests a name that no project has', async () => {
    const now = new Date(2026, 10, 30, 9, 5)
    vi.useFakeTimers({ toFake: ['Date'], now })
    const moment = new Intl.DateTimeFormat('en', {
      month: 'short',
      day: 'numeric',
      hour: 'numeric',
      minute: '2-digit',
    }).format(now)
    const { id, choose } = await open({}, { 'GET project/': list([{ name: `Events, ${moment}` }]) })
    await choose('events.csv')
    const name = id('studio-name').element as HTMLInputElement
    expect(name.value).toBe(`Events, ${moment} (2)`)
  })

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
    expect(forms, 'nothing is sent before there are answers').toHaveLength(2)
    for (const button of page.findAll('[data-testid="looks-right"]')) await button.trigger('click')
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
