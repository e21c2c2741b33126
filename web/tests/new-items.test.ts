import { mount } from '@vue/test-utils'
import InputNumber from 'primevue/inputnumber'
import RadioButton from 'primevue/radiobutton'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BesideNewItems, ColdBaseline, SplitConfig, Trial } from '@/api/types'
import ScoredItems from '@/components/ScoredItems.vue'
import TrialBoard from '@/components/TrialBoard.vue'
import { i18n } from '@/i18n'
import { heldOutShare } from '@/lib/new-items'
import { canSplit, newTuningForm, splitOf } from '@/lib/tuning-form'
import TuningWizardPage from '@/pages/TuningWizardPage.vue'
import { MEMBER, openPage, settle } from './support'

beforeEach(() => {
  i18n.global.locale.value = 'en'
})
afterEach(() => vi.unstubAllGlobals())

const trial = (
  number: number,
  algorithm: string,
  score: number | null,
  rest: Partial<Trial> = {},
): Trial => ({
  number,
  algorithm,
  parameters: {},
  status: score === null ? 'failed' : 'completed',
  score,
  interval: null,
  intermediate: [],
  started_at: '2026-11-21T06:00:00Z',
  metrics: null,
  finished_at: null,
  duration_seconds: null,
  note: null,
  ...rest,
})
const BESIDE: BesideNewItems = {
  warm: { mean: 0.1876, low: 0.1754, high: 0.1995 },
  mixed: { mean: 0.3184, low: 0.3068, high: 0.3296 },
  cold_share: { mean: 0.454, low: 0.446, high: 0.462 },
}

describe('a list of items', () => {
  const show = (titles: [string, string][] = []) =>
    mount(ScoredItems, {
      props: {
        title: 'For 007',
        items: [
          { item_id: 'old', score: 2 },
          { item_id: 'seen', score: 1.5, cold: false },
          { item_id: ' new', score: 1, cold: true },
        ],
        history: ['old', 'other'],
        titles: new Map(titles),
      },
      global: { plugins: [i18n] },
    })

  it('marks those that the training data does not have, for the eye and the ear', () => {
    const rows = show().findAll('[data-testid="recommendation-row"]')
    const marks = rows.map((row) => row.find('[data-testid="cold-item"]'))
    expect(marks.map((mark) => mark.exists())).toEqual([false, false, true])
    const told = 'Not in the training data; recommended for its metadata'
    expect(marks[2]?.attributes('title')).toBe(told)
    expect(marks[2]?.text()).toBe(`New: ${told}`)
    expect(rows[2]?.get('[data-testid="item-id"]').element.textContent).toBe(' new')
  })

  it('names those whose title is known', () => {
    expect(show().find('[data-testid="item-title"]').exists()).toBe(false)
    const named = show([
      ['old', 'The Old One'],
      ['seen', 'Seen'],
    ])
    const titles = named.findAll('[data-testid="item-title"]').map((cell) => cell.text())
    expect(titles).toEqual(['The Old One', 'Seen', ''])
    expect(named.get('button').attributes('aria-label')).toContain('The Old One')
    const history = named.findAll('[data-testid="history"] li').map((row) => row.text())
    expect(history).toEqual(['The Old One old', 'other'])
  })

  it('marks them in Japanese, too', () => {
    i18n.global.locale.value = 'ja'
    expect(show().get('[data-testid="cold-item"]').text()).toMatch(/^新着/)
  })
})

describe('the leaderboard of a search for models of new items', () => {
  const rows = [
    trial(0, 'IALSRecommender', 0.22, { interval: [0.2, 0.24], beside_new_items: BESIDE }),
    trial(1, 'RP3betaRecommender', 0.16, { beside_new_items: { ...BESIDE, warm: null } }),
    trial(2, 'SLIMRecommender', null),
  ]
  const baseline = (name: ColdBaseline['name'], mean: number): ColdBaseline => ({
    name,
    score: { mean, low: mean - 0.01, high: mean + 0.01 },
    beside_new_items: BESIDE,
  })
  const BASELINES = [
    baseline('random', 0.05),
    baseline('popularity_from_features', 0.15),
    baseline('content_knn', 0.17),
  ]
  const show = (trials: Trial[], coldBaselines: ColdBaseline[] | null = BASELINES) =>
    mount(TrialBoard, {
      props: { trials, baseline: 0.15, coldBaselines },
      global: { plugins: [i18n] },
    })

  it('has new, known and all items side by side, with intervals and the places of new items', () => {
    const board = show(rows)
    expect(board.get('thead').text()).toContain('New items (score)')
    const cells = board
      .findAll('[data-testid="trial-row"]')[0]
      ?.findAll('[data-testid="beside-new-items"]')
      .map((cell) => cell.text().replace(/\s+/g, ' '))
    expect(cells).toEqual(['0.1876 0.1754 – 0.1995', '0.3184 0.3068 – 0.3296', '45.4% 44.6% – 46.2%'])
    expect(board.find('[data-testid="new-items-legend"]').exists()).toBe(true)
  })

  it('has as many cells as headings in every row', () => {
    const board = show(rows)
    const headings = board.findAll('thead th').length
    for (const row of board.findAll('tbody tr')) {
      const columns = row.findAll('td').map((cell) => Number(cell.attributes('colspan') ?? 1))
      expect(columns.reduce((sum, width) => sum + width)).toBe(headings)
    }
  })

  it('has the baselines by name at the positions of their scores, without ranks', () => {
    const order = show(rows)
      .findAll('tbody tr')
      .map((row) => `${row.findAll('td')[0]?.text()} ${row.findAll('td')[1]?.text()}`)
    expect(order).toEqual([
      '1 IALS',
      '– Content neighbours',
      '2 RP3beta',
      '– Popularity predicted from features (same list for everybody)',
      '– Random',
      '– SLIM',
    ])
  })

  it('has intervals of the baselines, and a dash where nothing was measured', () => {
    const board = show(rows)
    expect(board.get('[data-testid="baseline-row"]').text()).toContain('0.1600 – 0.1800')
    const warm = board.findAll('[data-testid="trial-row"] [data-part="warm"]').map((cell) => cell.text())
    expect(warm[1]).toBe('–')
  })

  it('leaves other searches as they are', () => {
    const board = show([trial(0, 'IALSRecommender', 0.2, { beside_new_items: null })], null)
    expect(board.find('[data-testid="beside-new-items"]').exists()).toBe(false)
    expect(board.findAll('[data-testid="baseline-row"]').map((row) => row.text())).toEqual([
      expect.stringMatching(/^–Popularity0.1500–/),
    ])
    expect(board.get('thead').text()).not.toContain('New items')
  })
})

describe('a split', () => {
  const form = (change: object) => ({ ...newTuningForm(), ...change })

  it('has the shares that its scheme uses', () => {
    const rest = { test_user_ratio: 0.5, random_seed: 42 }
    expect(splitOf(form({ scheme: 'RG' }))).toEqual({ scheme: 'RG', heldout_ratio: 0.2, ...rest })
    expect(splitOf(form({ scheme: 'CI', heldoutItemRatio: 0.3 }))).toEqual({
      scheme: 'CI',
      heldout_ratio: 0.2,
      heldout_item_ratio: 0.3,
      ...rest,
    })
    expect(splitOf(form({ scheme: 'TI' }))).toEqual({ scheme: 'TI', heldout_item_ratio: 0.2, ...rest })
  })

  it('is impossible with shares that leave nothing, if the scheme uses them', () => {
    expect(canSplit(form({ scheme: 'TI', heldoutItemRatio: 1 }))).toBe(false)
    expect(canSplit(form({ scheme: 'RG', heldoutItemRatio: 1 }))).toBe(true)
    expect(canSplit(form({ scheme: 'CI', heldoutRatio: 0 }))).toBe(false)
    expect(canSplit(form({ scheme: 'TI', heldoutRatio: 0 }))).toBe(true)
  })

  it('is described by what it holds out', () => {
    const split = { heldout_ratio: 0.1, heldout_item_ratio: 0.3 } as SplitConfig
    expect(heldOutShare({ ...split, scheme: 'TU' })).toBe(0.1)
    expect(heldOutShare({ ...split, scheme: 'CI' })).toBe(0.3)
  })
})

describe('the wizard', () => {
  const open = async (time_column: string | null, files: unknown[]) => {
    const shown = await openPage('tuning-new', TuningWizardPage, {
      address: '/projects/3/tuning/new',
      user: MEMBER,
      answers: {
        'GET project/3/': { id: 3, name: 'Shop', organisation: 5, time_column, event_weights: {} },
        'GET training_data/': [{ id: 8, status: 'ready', basename: 'a.csv', report: null, ins_datetime: '' }],
        'GET item_meta_data/': files,
        'GET algorithms/': [
          {
            name: 'IALSRecommender',
            short: 'IALS',
            description: '',
            early_stopping: false,
            default_in_tuning: true,
            learns_from: 'users',
            parameters: [],
          },
        ],
        'POST split_config/': (body: object) => [201, { id: 2, ...body }],
        'POST evaluation_config/': (body: object) => [201, { id: 4, ...body }],
        'POST parameter_tuning_job/': () => [201, { id: 6 }],
      },
    })
    const next = async () => {
      await shown.page.get('form').trigger('submit')
      await settle()
    }
    await next()
    await next()
    const radio = (scheme: string) =>
      shown.page.findAllComponents(RadioButton).find((button) => button.props('value') === scheme)
    return { ...shown, next, radio }
  }
  const FILE = { id: 5, status: 'ready', valid_columns_list_json: ['title'] }

  it('asks how well new items are recommended, and holds items out', async () => {
    const { page, id, next, radio, sent } = await open('time', [FILE])
    expect(page.get('#newItems-title').text()).toBe('How well are new items recommended?')
    expect(radio('CI')?.props('disabled')).toBe(false)
    radio('TI')?.vm.$emit('update:modelValue', 'TI')
    await settle()
    expect(page.find('[data-testid="heldout"]').exists()).toBe(false)
    expect((id('heldout-items').element as HTMLInputElement).value).toBe('20 %')
    page
      .findAllComponents(InputNumber)
      .find((field) => field.props('inputId') === 'heldout-items')
      ?.vm.$emit('update:modelValue', 25)
    await next()
    await next()
    expect(sent[0]).toEqual({
      method: 'POST',
      url: 'split_config/',
      body: {
        project: 3,
        scheme: 'TI',
        heldout_item_ratio: 0.25,
        test_user_ratio: 0.5,
        random_seed: 42,
      },
    })
    page.unmount()
  })

  it('says what a project lacks for it', async () => {
    for (const files of [[], [{ ...FILE, valid_columns_list_json: [] }]]) {
      const { page, id, radio } = await open(null, files)
      expect(radio('RG')?.props('disabled')).toBe(false)
      expect(radio('CI')?.props('disabled')).toBe(true)
      expect(id('scheme-CI').text()).toContain('Needs item metadata')
      expect(id('scheme-CI').text()).not.toContain('Needs a time column')
      expect(id('scheme-TI').text()).toContain('Needs item metadata')
      expect(id('scheme-TI').text()).toContain('Needs a time column')
      page.unmount()
    }
  })
})
