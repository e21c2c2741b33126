import { mount } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ComponentPublicInstance } from 'vue'
import ItemRows from '@/components/studio/ItemRows.vue'
import { i18n } from '@/i18n'
import StudioRunPage from '@/pages/StudioRunPage.vue'
import { useStudioDraft } from '@/stores/studio'
import { itemList, list, MEMBER, openPage, serveForms, settle, type Answers } from './support'

vi.setConfig({ testTimeout: 30_000 })
let opened: Awaited<ReturnType<typeof openPage>> | undefined
afterEach(() => {
  opened?.page.unmount()
  vi.useRealTimers()
  vi.unstubAllGlobals()
  sessionStorage.clear()
})

const stage = (name: string, state: string, detail: object = {}) => ({
  stage: name,
  state,
  started_at: '2026-11-30T12:00:00Z',
  finished_at: '2026-11-30T12:00:02Z',
  detail,
})
const RUN = {
  id: 4,
  project: 3,
  project_name: 'Shop',
  name: 'Shop',
  goal: 'auto',
  budget_seconds: 60,
  state: 'ready',
  stage: 'ready',
  progress: 1,
  stages: [
    stage('reading', 'done', { rows: 1_000_209, rejected: 0, users: 6040, items: 3706 }),
    stage('checking', 'done', { rows: 1_000_209, users: 6040, items: 3706, described: 0.97 }),
    stage('encoding', 'skipped'),
  ],
  warnings: [],
  error: null,
  result: {
    algorithm: 'IALSRecommender',
    metric: 'recall',
    cutoff: 10,
    score: 0.34,
    popularity_score: 0.2,
    new_items: null,
  },
  ins_datetime: '2026-11-30T12:00:00Z',
  finished_at: '2026-11-30T12:00:09Z',
}
const open = async (run: object | (() => [number, unknown]), more: Answers = {}) =>
  (opened = await openPage('studio-run', StudioRunPage, {
    address: '/studio/4',
    user: MEMBER,
    answers: {
      'GET studio/4/': run,
      'GET project/3/users/': list([{ user_id: '007', interactions: 12 }]),
      'GET project/3/items/': itemList([
        { item_id: 'p1', title: 'Popular', image_url: null, interactions: 9 },
      ]),
      ...more,
    },
  }))

const RUNNING = {
  ...RUN,
  state: 'running',
  stage: 'searching',
  progress: 0.4,
  stages: [
    ...RUN.stages,
    {
      ...stage('searching', 'running', {
        trials: 3,
        best_score: 0.3,
        popularity_score: 0.2,
        algorithm: 'IALSRecommender',
      }),
      finished_at: null,
    },
    { ...stage('training', 'waiting'), started_at: null, finished_at: null },
  ],
  result: null,
  finished_at: null,
}
/** Keys are kept by project while the program runs. */
const FRESH = 8
const ANSWERS: Answers = {
  'POST studio/4/demo_key/': () => [201, { key: 'rctm_demo', expires_at: '2999-01-01T00:00:00Z' }],
  'GET project/8/users/': list([]),
  'GET project/8/items/': itemList([]),
  'POST /inference/predict/project/8': {
    items: [],
    model_id: 1,
    slot_id: 1,
    request_id: 'r',
    strategy: 'popular',
  },
}

describe('the pictures of a list', () => {
  it('give way to a letter where they cannot be loaded', async () => {
    const entry = { name: 'http://localhost/studio/4' } as PerformanceEntry
    vi.spyOn(performance, 'getEntriesByType').mockReturnValue([entry])
    const item = { item_id: 'p1', score: 1, metadata: { lamp: 'Lamp', pic: 'https://x.example/a.png' } }
    const rows = mount(ItemRows, {
      props: {
        items: [item as never],
        columns: { title_column: 'lamp', image_column: 'pic' },
        titles: new Map(),
      },
      global: { plugins: [i18n] },
    })
    await rows.get('img').trigger('error')
    expect(rows.find('img').exists()).toBe(false)
    expect(rows.get('[data-testid="list-picture"]').text()).toBe('L')
  })
})

describe('a run of the studio', () => {
  it('says what it found and what it is worth, and makes a key only when asked', async () => {
    const { page, id, sent } = await open(RUN, {
      'POST studio/4/demo_key/': () => [201, { key: 'rctm_demo', expires_at: '2999-01-01T00:00:00Z' }],
      'POST /inference/predict/project/3': () => [
        200,
        {
          items: [{ item_id: 'p1', score: 1, metadata: { title: 'Popular' } }],
          model_id: 1,
          slot_id: 1,
          request_id: 'r',
          strategy: 'personal',
        },
      ],
    })
    const found = page.findAll('[data-testid="stage-found"]').map((row) => row.text())
    expect(found).toEqual(['1,000,209 rows · 6,040 users · 3,706 items', '97% of the items described'])
    expect(id('quality').text()).toContain('Finds 1.7 times as many of the items')
    expect(id('run-seconds').text()).toBe('9.0 s')
    expect(id('snippet').text()).toContain('YOUR_API_KEY')
    expect(sent).toEqual([])

    await id('make-key').trigger('click')
    await settle()
    await settle()
    expect(id('list-row').text()).toContain('Popular')
    expect(id('snippet').text()).toContain('rctm_demo')
    expect(id('snippet').text()).toContain('"user_id":"007"')
    expect(sent.at(-1)?.body).toMatchObject({ user_id: '007', with_metadata: true })
    await id('snippet-go').trigger('click')
    expect(id('snippet').text()).toContain('package main')
  })

  it('shows the titles of the column that the server names, also of what explains them', async () => {
    sessionStorage.setItem(
      'recotem.demo-key.10',
      JSON.stringify({ key: 'rctm_ten', expires_at: '2999-01-01T00:00:00Z' }),
    )
    const listed = (item_id: string, because: string[] = []) => ({
      item_id,
      score: 1,
      metadata: { title: 'Not this', artist_name: `Artist ${item_id}` },
      because: because.map((id) => ({ item_id: id, share: 1 })),
    })
    const { id } = await open(
      { ...RUN, project: 10 },
      {
        'GET project/10/users/': list([{ user_id: '007', interactions: 12 }]),
        'GET project/10/items/': itemList([], 'artist_name'),
        'POST /inference/predict/project/10': (body: Record<string, unknown>) => [
          200,
          {
            items: body.allow ? [listed('h1')] : [listed('a1', ['h1'])],
            model_id: 1,
            slot_id: 1,
            request_id: 'r',
            strategy: 'personal',
          },
        ],
      },
    )
    await settle()
    await settle()
    expect(id('list-row').text()).toContain('Artist a1')
    expect(id('list-row').text()).not.toContain('Not this')
    expect(id('because').text()).toBe('Because of Artist h1')
  })

  const RIGHTS = (role: string): Answers => ({
    'GET project/8/': { id: 8, name: 'Shop', organisation: 5 },
    'GET organisation/': list([{ id: 5, name: 'Books', is_personal: false, role }]),
  })
  it('makes no key for a member who may not, and says who can', async () => {
    let reads = 0
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    const { id, has, sent } = await open(
      () => [200, { ...((reads += 1) < 2 ? RUNNING : RUN), project: FRESH }],
      {
        ...ANSWERS,
        ...RIGHTS('editor'),
        'GET project/8/users/': list([{ user_id: 'u5', interactions: 3 }]),
      },
    )
    await vi.advanceTimersByTimeAsync(1_100)
    vi.useRealTimers()
    await settle()
    await settle()
    expect(id('run-stages').attributes('data-state')).toBe('ready')
    expect(sent).toEqual([])
    expect(id('ask-an-admin').text()).toBe('An admin of Books can make a demo key.')
    expect(has('make-key')).toBe(false)
    expect((id('try-user').element as HTMLInputElement).value).toBe('u5')
    expect(id('snippet').text()).toContain('"user_id":"u5"')
    i18n.global.locale.value = 'ja'
    await settle()
    expect(id('ask-an-admin').text()).toBe('デモ用キーは「Books」の管理者が作成できます。')
    i18n.global.locale.value = 'en'
  })

  it('without interactions begins with an item, in the snippet as well', async () => {
    const reading = stage('reading', 'done', { items: 2, users: 0, item_rows: 2 })
    sessionStorage.setItem(
      'recotem.demo-key.9',
      JSON.stringify({ key: 'rctm_nine', expires_at: '2999-01-01T00:00:00Z' }),
    )
    const { page, id, sent } = await open(
      { ...RUN, project: 9, stages: [reading], result: null },
      {
        'GET project/9/items/': itemList([
          { item_id: 'p1', title: 'Popular', image_url: null, interactions: 0 },
        ]),
        'POST /inference/predict/project/9': (body: Record<string, unknown>) => [
          200,
          {
            items: [{ item_id: 'p2', score: 1, metadata: { image: 'https://x.example/a.png' } }],
            model_id: 1,
            slot_id: 1,
            request_id: 'r',
            strategy: body.interactions ? 'session' : 'popular',
          },
        ],
      },
    )
    await settle()
    expect(page.text()).not.toContain('Recommendations for')
    expect(sent.at(-1)?.body).toMatchObject({ anchor_items: ['p1'] })
    expect(id('snippet').text()).toContain('{"anchor_items":["p1"],"cutoff":10}')
    expect(id('strategy').text()).toBe('Nothing is known of this item: these are what most people choose.')

    const [, history] = id('try-it').findAll('[aria-labelledby="try-title"] button')
    await history?.trigger('click')
    await settle()
    expect(id('snippet').text()).toContain('{"interactions":["ITEM_ID"],"cutoff":10}')
  })

  it('says why it failed, in Japanese, too', async () => {
    const error = 'There are no interactions. Send a file with what users did.'
    const { id, has } = await open({ ...RUN, state: 'failed', stage: 'checking', error, result: null })
    i18n.global.locale.value = 'ja'
    await settle()
    expect(id('error-notice').text()).toContain('行動履歴がありません')
    expect(has('try-it')).toBe(false)
    expect(id('run-again').text()).toBe('ファイルの選択に戻る')
    i18n.global.locale.value = 'en'
  })

  it('shows what its stages do, and the best so far', async () => {
    const { page, id, has } = await open(RUNNING)
    const stages = page.findAll('[data-testid="run-stage"]')
    expect(stages.map((row) => [row.attributes('data-stage'), row.attributes('data-state')])).toEqual([
      ['reading', 'done'],
      ['checking', 'done'],
      ['encoding', 'skipped'],
      ['searching', 'running'],
      ['training', 'waiting'],
    ])
    expect(stages.at(0)?.text()).toContain('2.0 s')
    expect(stages.at(3)?.text()).toContain('3 trials')
    expect(id('so-far').text()).toContain('1.5')
    expect(page.get('[role="progressbar"]').attributes('aria-valuenow')).toBe('40')
    expect(['try-it', 'run-result', 'open-demo', 'open-project', 'run-again'].filter(has)).toEqual([])
  })

  it('is read again until it ends, and then gives a key to the reader who has watched it', async () => {
    let reads = 0
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    const { id, has, sent } = await open(
      () => [200, { ...((reads += 1) < 3 ? RUNNING : RUN), project: FRESH }],
      ANSWERS,
    )
    serveForms({})
    const draft = useStudioDraft()
    draft.put('interactions', new File(['a'], 'events.parquet'))
    expect(sent).toEqual([])
    for (let round = 0; round < 3; round += 1) {
      await vi.advanceTimersByTimeAsync(1_100)
      await settle()
    }
    expect(reads).toBe(3)
    expect(id('run-stages').attributes('data-state')).toBe('ready')
    expect(sent.filter((row) => row.url === 'studio/4/demo_key/')).toHaveLength(1)
    expect(id('snippet').text()).toContain('rctm_demo')
    expect(id('open-demo').attributes('href')).toBe('/demo/8')
    expect(has('cancel-run')).toBe(false)
    expect(draft.roles, 'the next run begins with other files').toEqual([])
  })

  it('is cancelled once that is confirmed', async () => {
    let state = 'running'
    const cancelled = { ...RUNNING, state: 'cancelled', stage: 'searching', finished_at: RUN.finished_at }
    const { page, id, has, sent } = await open(() => [200, state === 'running' ? RUNNING : cancelled], {
      'POST studio/4/cancel/': () => {
        state = 'cancelled'
        return [200, cancelled]
      },
    })
    const asked = vi.spyOn((page.vm as ComponentPublicInstance).$confirm, 'require')
    await id('cancel-run').trigger('click')
    await settle()
    expect(sent).toEqual([])
    asked.mock.calls[0]?.[0].accept?.()
    await settle()
    await settle()
    expect(sent.map((row) => row.url)).toEqual(['studio/4/cancel/'])
    expect(id('run-stages').attributes('data-state')).toBe('cancelled')
    expect(id('open-project').attributes('href')).toBe('/projects/3')
    expect(id('run-again').attributes('href')).toBe('/studio')
    expect(['cancel-run', 'try-it', 'open-demo', 'error-notice'].filter(has)).toEqual([])
  })

  it('keeps the files of a run that failed', async () => {
    const failed = { ...RUNNING, state: 'failed', stage: 'checking', error: 'Something unheard of.' }
    let isOver = false
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    const { id, sent } = await open(() => [200, isOver ? failed : RUNNING], ANSWERS)
    serveForms({})
    const draft = useStudioDraft()
    draft.put('interactions', new File(['a'], 'events.parquet'))
    isOver = true
    await vi.advanceTimersByTimeAsync(1_100)
    await settle()
    expect(id('error-notice').text()).toContain('Something unheard of.')
    expect(draft.roles).toEqual(['interactions'])
    expect(sent.filter((row) => row.url.startsWith('studio/'))).toEqual([])
  })

  it('that is not there says so', async () => {
    const { id, has } = await open(() => [404, { detail: 'Not found.' }])
    expect(id('error-notice').text()).not.toBe('')
    expect(has('run-stages')).toBe(false)
  })
})
