import { afterEach, describe, expect, it, vi } from 'vitest'
import { i18n } from '@/i18n'
import StudioRunPage from '@/pages/StudioRunPage.vue'
import { list, MEMBER, openPage, settle, type Answers } from './support'

vi.setConfig({ testTimeout: 30_000 })
afterEach(() => {
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
const open = (run: object, more: Answers = {}) =>
  openPage('studio-run', StudioRunPage, {
    address: '/studio/4',
    user: MEMBER,
    answers: {
      'GET studio/4/': run,
      'GET project/3/users/': list([{ user_id: '007', interactions: 12 }]),
      'GET project/3/items/': list([{ item_id: 'p1', title: 'Popular', image_url: null, interactions: 9 }]),
      ...more,
    },
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
})
