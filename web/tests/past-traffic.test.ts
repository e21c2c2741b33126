import { afterEach, describe, expect, it, vi } from 'vitest'
import type { OffPolicyComparison, OffPolicyEstimates } from '@/api/types'
import ModelPage from '@/pages/ModelPage.vue'
import { openPage, settle } from './support'

afterEach(() => vi.unstubAllGlobals())

const MODEL = {
  id: 7,
  configuration: 5,
  data_loc: 1,
  status: 'COMPLETED',
  recommender_class_name: 'IALSRecommender',
  parameters: {},
  n_users: 20,
  n_items: 5,
  lineage: {},
  metrics: null,
  filesize: 10,
  ins_datetime: '2026-01-01T00:00:00Z',
}
const estimate = (value: number) => ({
  value,
  standard_error: 0.01,
  interval: [value - 0.02, value + 0.02] as [number, number],
})
const ESTIMATES: OffPolicyEstimates = {
  requests: 400,
  live: estimate(0.3),
  ips: estimate(0.35),
  snips: estimate(0.33),
  doubly_robust: estimate(0.34),
  effective_sample_size: 231.4,
  support: 0.97,
  warnings: [],
}
const FOUND: OffPolicyComparison = {
  trained_model: 7,
  since: '2026-01-02T00:00:00Z',
  learnt_until: '2026-01-02T00:00:00Z',
  cutoff: 3,
  is_partial: false,
  left_out: { learnt: 1200, special: 1 },
  warnings: [],
  requests: 400,
  users: 250,
  agreement: { overlap: 0.5, overlap_by_depth: [0.25, 0.4, 0.5], rank_biased_overlap: 0.41, identical: 0.1 },
  live: { items: 12, coverage: 0.3 },
  shadow: { items: 20, coverage: 0.5 },
  clicked: { items: 8, live: 1, shadow: 0.75 },
  purchased: { items: 0, live: null, shadow: null },
  click_estimates: ESTIMATES,
  purchase_estimates: null,
}
const NOTHING: OffPolicyComparison = {
  ...FOUND,
  requests: 0,
  users: 0,
  agreement: null,
  click_estimates: null,
  left_out: { learnt: 0, special: 0 },
}

const open = (answer: unknown, project: object = {}) =>
  openPage('model', ModelPage, {
    address: '/projects/3/models/7',
    answers: {
      'GET project/3/': { id: 3, name: 'Shop', logged_share: null, ...project },
      'GET trained_model/7/': MODEL,
      'GET model_configuration/5/': { id: 5, tuning_job: null },
      'GET training_data/1/': { id: 1, project: 3, status: 'ready', basename: '1.csv', report: null },
      'GET trained_model/7/off_policy/': answer,
    },
  })

describe('a model on past traffic', () => {
  it('is asked only on request', async () => {
    const asked = vi.fn(() => [200, FOUND] as [number, unknown])
    const { page, id, has } = await open(asked)
    expect(asked).not.toHaveBeenCalled()
    expect(id('past-traffic').text()).toContain('takes a few seconds')
    await id('past-estimate').trigger('click')
    await settle()
    expect(asked).toHaveBeenCalledTimes(1)
    expect(has('past-estimate')).toBe(false)
    page.unmount()
  })

  it('is shown with the figures of a shadow, and with what was left out', async () => {
    const { page, id } = await open(FOUND)
    await id('past-estimate').trigger('click')
    await settle()
    expect(id('agreement').text()).toContain('50%')
    expect(id('lists').text()).toContain('This model')
    expect(id('earnings').text()).toContain('This model, doubly robust0.3400.320 – 0.360')
    expect(id('past-traffic').text()).not.toMatch(/shadow/i)
    expect(id('past-basis').text()).toContain('1,200 earlier requests are excluded')
    expect(id('past-basis').text()).toContain('1 request was excluded')
    expect(page.findAll('[data-testid="past-warning"]')).toHaveLength(0)
    page.unmount()
  })

  it('comes with the reasons to distrust it', async () => {
    const { page, id } = await open({
      ...FOUND,
      warnings: ['no_propensities', 'mostly_left_out'],
      click_estimates: null,
    })
    await id('past-estimate').trigger('click')
    await settle()
    expect(
      page.findAll('[data-testid="past-warning"]').map((warning) => warning.attributes('data-warning')),
    ).toEqual(['no_propensities', 'mostly_left_out'])
    expect(page.find('[data-testid="earnings"]').exists()).toBe(false)
    page.unmount()
  })

  it('without anything to go by says how to begin', async () => {
    for (const [found, project, words, leads] of [
      [NOTHING, {}, 'Set a share of requests to log', true],
      [NOTHING, { logged_share: 0.5 }, 'No recommendations were logged in this period', false],
      [{ ...NOTHING, left_out: { learnt: 9, special: 0 } }, {}, 'older than the training data', false],
      [{ ...NOTHING, left_out: { learnt: 9, special: 2 } }, {}, 'options that are not logged', false],
    ] as const) {
      const { page, id, has } = await open(found, project)
      await id('past-estimate').trigger('click')
      await settle()
      expect(id('empty-state').text()).toContain(words)
      expect(has('past-settings')).toBe(leads)
      if (leads) expect(id('past-settings').attributes('href')).toBe('/projects/3/settings')
      expect(has('agreement')).toBe(false)
      page.unmount()
    }
  })

  it('that cannot be asked says why, and can be tried again', async () => {
    const answers: [number, unknown][] = [
      [409, { detail: 'The file of this model has been removed.' }],
      [200, FOUND],
    ]
    const { page, id, has } = await open(() => answers.shift() ?? [404, {}])
    await id('past-estimate').trigger('click')
    await settle()
    expect(id('past-traffic').text()).toContain('has been removed')
    expect(has('agreement')).toBe(false)
    await page
      .findAll('[data-testid="past-traffic"] button')
      .find((button) => button.text() === 'Try again')
      ?.trigger('click')
    await settle()
    expect(has('agreement')).toBe(true)
    page.unmount()
  })
})
