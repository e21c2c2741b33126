import { afterEach, describe, expect, it, vi } from 'vitest'
import type { AbResults, AbTest, OffPolicyEstimates, SlotComparison } from '@/api/types'
import { adviceFor, dataShare } from '@/lib/ab-advice'
import { isCron, readCron, weekdays, writeCron } from '@/lib/cron'
import { projectPredictCommand } from '@/lib/curl'
import { shares } from '@/lib/shares'
import AbTestPage from '@/pages/AbTestPage.vue'
import DeploymentsPage from '@/pages/DeploymentsPage.vue'
import SlotComparisonPage from '@/pages/SlotComparisonPage.vue'
import RetrainingPage from '@/pages/RetrainingPage.vue'
import { ADMIN, list, openPage, settle } from './support'

// Charts need a canvas, which is not here.
vi.mock('@/charts/AbChart.vue', () => ({ __esModule: true, default: { render: () => null } }))
afterEach(() => vi.unstubAllGlobals())

const PROJECT = { id: 3, name: 'Shop', organisation: 5 }
const common = { 'GET project/3/': PROJECT, 'GET organisation/': list([{ id: 5, name: 'Books', role: 'owner' }]) }
const slot = (id: number, name: string, weight: number, is_active = true) => ({ id, project: 3, name, trained_model: 7, weight, is_active, is_shadow: false, ins_datetime: '', updated_at: '' })
const MODEL = { id: 7, status: 'COMPLETED', recommender_class_name: 'IALSRecommender' }

describe('shares', () => {
  it('are weights beside those of the active slots', () => {
    expect([...shares([slot(1, 'a', 100), slot(2, 'b', 50), slot(3, 'c', 70, false)]).values()]).toEqual([100 / 150, 50 / 150, 0])
  })

  it('of a shadow are nothing: it answers nobody', () => {
    expect([...shares([slot(1, 'a', 10), { ...slot(2, 'b', 90), is_shadow: true }]).values()]).toEqual([1, 0])
  })

  it('of nobody are nothing, not a division by zero', () => {
    expect([...shares([slot(1, 'a', 0), slot(2, 'b', 9, false)]).values()]).toEqual([0, 0])
  })
})

describe('the deployments', () => {
  const open = (answers = {}) => openPage('deployments', DeploymentsPage, { address: '/projects/3/deployments', user: ADMIN, answers: { ...common, 'GET deployment_slot/': list([slot(1, 'Front', 100), slot(2, 'New', 0)]), 'GET trained_model/': list([MODEL]), ...answers } })

  it('show what a weight would do before it is saved, and save only what changed', async () => {
    const { page, id, sent } = await open({ 'PATCH deployment_slot/2/': {} })
    const share = () => page.findAll('[data-testid="share"]').map((cell) => cell.text())
    expect(share()).toEqual(['100%', '0%'])
    const input = page.findAll('[data-testid="weight"]')[1]
    await input?.setValue('100')
    await input?.trigger('blur')
    await settle()
    expect(share()).toEqual(['50%', '50%'])
    expect(sent).toEqual([])
    await id('weights-save').trigger('click')
    await settle()
    expect(sent).toEqual([{ method: 'PATCH', url: 'deployment_slot/2/', body: { weight: 100 } }])
    page.unmount()
  })

  it('of a project without a model say what is missing', async () => {
    const { page, id, has } = await open({ 'GET deployment_slot/': list([]), 'GET trained_model/': list([]) })
    expect(id('empty-state').text()).toContain('Train one first')
    expect(has('new-slot')).toBe(false)
    page.unmount()
  })

  it('are called without naming a model', () => {
    expect(projectPredictCommand('https://x', 3, "o'k")).toContain(`/inference/predict/project/3 -H 'X-API-Key: rctm_…'`)
  })
})

describe('a shadow slot', () => {
  const shadow = { ...slot(2, 'New', 0), is_shadow: true }
  const estimate = (value: number) => ({ value, standard_error: 0.01, interval: [value - 0.02, value + 0.02] as [number, number] })
  const estimates: OffPolicyEstimates = { requests: 40, live: estimate(0.3), ips: estimate(0.35), snips: estimate(0.33), doubly_robust: { ...estimate(0.34), interval: null }, effective_sample_size: 31.4, support: 0.62, warnings: ['small_sample', 'little_support'] }
  const FOUND: SlotComparison = { slot: 2, trained_model: 7, since: '', cutoff: 3, is_partial: false, requests: 40, users: 25, agreement: { overlap: 0.5, overlap_by_depth: [0.25, 0.4, 0.5], rank_biased_overlap: 0.41, identical: 0.1 }, live: { items: 12, coverage: 0.3 }, shadow: { items: 20, coverage: 0.5 }, clicked: { items: 8, live: 1, shadow: 0.75 }, purchased: { items: 0, live: null, shadow: null }, click_estimates: estimates, purchase_estimates: null }
  const open = (found: unknown, row: unknown = shadow, project: unknown = PROJECT) => openPage('slot-comparison', SlotComparisonPage, { address: '/projects/3/deployments/2/comparison', user: ADMIN, answers: { ...common, 'GET project/3/': project, 'GET deployment_slot/2/': row, 'GET deployment_slot/2/comparison/': found } })

  it('has a comparison in place of a weight', async () => {
    const { page, id } = await openPage('deployments', DeploymentsPage, { address: '/projects/3/deployments', user: ADMIN, answers: { ...common, 'GET deployment_slot/': list([slot(1, 'Front', 100), shadow]), 'GET trained_model/': list([MODEL]) } })
    expect(id('slot-comparison').attributes('href')).toBe('/projects/3/deployments/2/comparison')
    expect(page.findAll('[data-testid="weight"]')).toHaveLength(1)
    page.unmount()
  })

  it('is made with one switch, which takes the place of a weight', async () => {
    const made: Record<string, unknown>[] = []
    const { page, id, has } = await openPage('deployments', DeploymentsPage, { address: '/projects/3/deployments', user: ADMIN, answers: { ...common, 'GET deployment_slot/': list([slot(1, 'Front', 100)]), 'GET trained_model/': list([MODEL]), 'POST deployment_slot/': (body: Record<string, unknown>) => (made.push(body), [201, { ...shadow, name: body.name }]) } })
    await id('new-slot').trigger('click')
    await settle()
    await id('slot-name').setValue('Candidate')
    expect(has('slot-weight')).toBe(true)
    await page.get('#slot-shadow').setValue(true)
    await settle()
    expect(has('slot-weight')).toBe(false)
    await id('slot-submit').trigger('submit')
    await settle()
    expect(made).toMatchObject([{ name: 'Candidate', trained_model: 7, is_shadow: true, is_active: true }])
    page.unmount()
  })

  it('is told beside what was answered, with what to think of it', async () => {
    const { page, id } = await open(FOUND)
    expect(id('page-title').text()).toContain('Comparison of “New”')
    expect(id('agreement').text()).toContain('50%')
    expect(page.findAll('[data-testid="overlap-bar"]').map((bar) => bar.attributes('style'))).toEqual(['height: 25%;', 'height: 40%;', 'height: 50%;'])
    expect(id('lists').text()).toContain('Clicked items that were in the list (of 8)100%75%')
    expect(page.findAll('[data-testid="earnings"]')).toHaveLength(1)
    expect(id('earnings').text()).toContain('doubly robust0.340–')
    expect(id('earnings').text()).toContain('self-normalised0.3300.310 – 0.350')
    expect(page.findAll('[data-testid="earnings-warning"]').map((warning) => warning.attributes('data-warning'))).toEqual(['small_sample', 'little_support'])
    page.unmount()
  })

  it('without traffic says why there are no figures', async () => {
    const nothing: SlotComparison = { ...FOUND, requests: 0, users: 0, agreement: null, click_estimates: null }
    for (const [row, project, words] of [
      [shadow, PROJECT, 'gets a copy of each request'],
      [{ ...shadow, is_active: false }, PROJECT, 'switched off'],
      [slot(2, 'New', 10), PROJECT, 'answers users itself'],
      [shadow, { ...PROJECT, logged_share: 0 }, 'Logging is switched off'],
    ] as const) {
      const { page, id } = await open(nothing, row, project)
      expect(id('empty-state').text()).toContain(words)
      page.unmount()
    }
  })
})

const TEST: AbTest = { id: 4, project: 3, name: 'T', status: 'RUNNING', control_slot: 1, variant_slot: 2, target_metric_name: 'ctr', min_sample_size: 1000, confidence_level: 0.95, started_at: '2026-01-01T00:00:00Z', ended_at: null, winner_slot: null }
const RESULTS: AbResults = { control_impressions: 503, control_conversions: 40, control_rate: 0.079523, variant_impressions: 600, variant_conversions: 90, variant_rate: 0.15, z_score: 3.6155, p_value: 0.0003, significant: true, lift: 88.62, confidence_interval: [0.033392, 0.107563], min_sample_size: 1000, sufficient_data: true, control_attributed_conversions: 40, variant_attributed_conversions: 90, sample_ratio: { control_users: 503, variant_users: 600, expected_control_share: 0.5, p_value: 0.0035, suspicious: false }, sequential: { p_value: 0.008864, significant: true, lift_interval: [9.17, 225.9] }, lift_interval: [32.51, 168.5], advice: 'variant_wins', needed_sample_size: { control: 0, variant: 0 } }

describe('the advice on a test', () => {
  it('says whether the data that was asked for is there', () => {
    const early: AbResults = { ...RESULTS, min_sample_size: 5000, sufficient_data: false, advice: 'keep_running' }
    expect(adviceFor(TEST, early)).toBe('early')
    expect(adviceFor({ ...TEST, status: 'COMPLETED' }, { ...early, advice: 'no_difference_found' })).toBe('earlyEnd')
    expect(adviceFor(TEST, { ...early, sufficient_data: true })).toBe('more')
    expect(dataShare(early)).toBeCloseTo(0.2206)
    expect(dataShare({ ...early, min_sample_size: 0 })).toBe(1)
  })

  it('is that of the server where there are numbers', () => {
    expect(adviceFor(TEST, RESULTS)).toBe('variant')
    expect(adviceFor(TEST, { ...RESULTS, advice: 'control_wins' })).toBe('control')
    expect(adviceFor(TEST, { ...RESULTS, advice: 'no_difference_found' })).toBe('same')
    expect(adviceFor(TEST, { ...RESULTS, advice: 'check_assignment' })).toBe('assignment')
  })

  it('knows the states without numbers', () => {
    expect(adviceFor({ ...TEST, status: 'DRAFT' }, undefined)).toBe('draft')
    expect(adviceFor(TEST, undefined)).toBe('noTraffic')
    expect(adviceFor(TEST, { ...RESULTS, variant_impressions: 0 })).toBe('noTraffic')
    expect(adviceFor({ ...TEST, status: 'COMPLETED', winner_slot: 2 }, RESULTS)).toBe('promoted')
    expect(adviceFor({ ...TEST, status: 'CANCELLED' }, RESULTS)).toBe('cancelled')
  })
})

it('a test says in words what its numbers mean, and warns of a slot nobody reaches', async () => {
  const { page, id, has } = await openPage('ab-test', AbTestPage, { address: '/projects/3/ab-tests/4', user: ADMIN, answers: { ...common, 'GET ab_test/4/': TEST, 'GET ab_test/4/results/': RESULTS, 'GET deployment_slot/': list([slot(1, 'Front', 100), slot(2, 'New', 0)]) } })
  expect(id('advice').text()).toContain('“New” is better')
  expect(id('advice').text()).toContain('88.6% above that of “Front”')
  expect(id('silent-slots').text()).toContain('New')
  expect(has('stop-test')).toBe(true)
  expect(has('delete-test')).toBe(false)
  page.unmount()
})

it('a test whose users are divided wrongly, or whose difference holds for one look only, says so', async () => {
  const results: AbResults = { ...RESULTS, advice: 'check_assignment', sample_ratio: { control_users: 300, variant_users: 420, expected_control_share: 0.5, p_value: 0.000008, suspicious: true }, sequential: { p_value: 0.12, significant: false, lift_interval: [-3, 210] }, needed_sample_size: { control: 1200, variant: 1300 } }
  const { page, id } = await openPage('ab-test', AbTestPage, { address: '/projects/3/ab-tests/4', user: ADMIN, answers: { ...common, 'GET ab_test/4/': TEST, 'GET ab_test/4/results/': results, 'GET deployment_slot/': list([slot(1, 'Front', 100), slot(2, 'New', 100)]) } })
  expect(id('advice').text()).toContain('Check how users are assigned')
  expect(id('ratio-warning').text()).toContain('should have 50% of the 720 users, and it has 41.7%')
  expect(id('only-once').text()).toContain('single look')
  expect(id('still-needed').text()).toContain('1,200 more for the control')
  expect(id('lift-interval').text()).toContain('+88.6%, somewhere between -3% and +210%')
  page.unmount()
})

describe('the rhythm', () => {
  it.each([
    ['0 */6 * * *', { rhythm: 'hours', hours: 6 }],
    ['0 * * * *', { rhythm: 'hours', hours: 1 }],
    ['30 4 * * *', { rhythm: 'daily', time: '04:30' }],
    ['0 3 * * 1', { rhythm: 'weekly', time: '03:00', weekday: 1 }],
    ['5 23 31 * *', { rhythm: 'monthly', time: '23:05', day: 31 }],
  ])('%s is read and written the same', (text, expected) => {
    expect(readCron(text)).toMatchObject(expected)
    expect(writeCron(readCron(text))).toBe(text)
  })

  it('everything else stays as it was typed', () => {
    for (const text of ['*/15 9-17 * * 1-5', '0 3 1 1 *', '0 */5 * * *', '99 99 * * *', '0 3 1 * 1']) {
      expect(readCron(text).rhythm, text).toBe('custom')
      expect(writeCron(readCron(`  ${text} `))).toBe(text)
    }
    expect(readCron('0 3 * * 7')).toMatchObject({ rhythm: 'weekly', weekday: 0 })
  })

  it('that cannot be one is noticed', () => {
    expect(isCron('0 3 * * 1')).toBe(true)
    for (const text of ['', '0 3 * *', '0 3 * * 1 2', 'every monday at 3 ü x']) expect(isCron(text), text).toBe(false)
    expect(weekdays('en').map((day) => day.label)[0]).toBe('Sunday')
  })
})

const SCHEDULE = { id: 6, project: 3, is_enabled: true, cron_expression: '0 3 * * 1', time_zone: 'Asia/Tokyo', training_data: null, model_configuration: 8, retune: false, split_config: null, evaluation_config: null, max_retries: 3, notify_on_failure: true, auto_deploy: false, catch_up: 'once', skip_unchanged: false, data_source: 'newest', event_types: [], last_run_at: null, last_run_status: null, next_run_at: '2026-11-22T18:00:00Z' }

describe('retraining', () => {
  const open = (schedules: unknown[], answers = {}) =>
    openPage('retraining', RetrainingPage, {
      address: '/projects/3/retraining',
      user: ADMIN,
      answers: { ...common, 'GET retraining_schedule/': list(schedules), 'GET retraining_run/': list([]), 'GET training_data/': list([]), 'GET model_configuration/': list([{ id: 8, name: 'Best', recommender_class_name: 'IALSRecommender' }]), 'GET parameter_tuning_job/': list([]), ...answers },
    })

  it('shows the next run by the clock of the schedule, and saves only what changed', async () => {
    const { page, id, sent } = await open([SCHEDULE], { 'PATCH retraining_schedule/6/': (body: object) => [200, { ...SCHEDULE, ...body }] })
    expect(id('next-run').text()).toMatch(/Nov 23, 2026, 3:00\sAM \(Asia\/Tokyo\)/)
    await id('cron-time').setValue('04:15')
    await page.get('[data-testid="schedule"]').trigger('submit')
    await settle()
    expect(sent).toEqual([{ method: 'PATCH', url: 'retraining_schedule/6/', body: { cron_expression: '15 4 * * 1' } }])
    expect(id('save-state').attributes('data-unsaved')).toBe('false')
    page.unmount()
  })

  it('compares before it deploys where that is wanted, and shows both figures of a run', async () => {
    const blocked = { id: 1, status: 'SKIPPED', trained_model: 9, tuning_job: null, error_message: 'Not deployed.', ins_datetime: '2026-01-01T00:00:00Z', completed_at: null, data_rows_at_trigger: 5, gate_metric: 'ndcg@20', new_score: 0.1, deployed_score: 0.25, deployed_model: 7, deployed_data: 4 }
    const { page, id, has, sent } = await open([{ ...SCHEDULE, gate_tolerance: null }], { 'GET retraining_run/': list([blocked]), 'PATCH retraining_schedule/6/': (body: object) => [200, { ...SCHEDULE, ...body }] })
    expect(id('gate-figures').text()).toBe('ndcg@20: new 0.1000, deployed 0.2500The deployed model with what it learnt from upload 4')
    expect(has('gate')).toBe(false)
    await page.get('#auto-deploy').setValue(true)
    await page.get('#gate').setValue(true)
    await page.get('[data-testid="schedule"]').trigger('submit')
    await settle()
    expect(sent[0]?.body).toEqual({ auto_deploy: true, gate_tolerance: 0.02 })
    page.unmount()
  })

  it('learns from all uploads and from events where that is wanted', async () => {
    const { page, sent } = await open([SCHEDULE], { 'PATCH retraining_schedule/6/': (body: object) => [200, { ...SCHEDULE, ...body }] })
    await page.get('#learn-purchase').setValue(true)
    await page.get('#learn-click').setValue(true)
    await page.get('[data-testid="schedule"]').trigger('submit')
    await settle()
    expect(sent[0]?.body).toEqual({ event_types: ['click', 'purchase'] })
    page.unmount()
  })

  it('puts a choice of events back without anything to save', async () => {
    const { page, id } = await open([{ ...SCHEDULE, event_types: ['click'] }])
    await page.get('#learn-click').setValue(false)
    expect(id('save-state').attributes('data-unsaved')).toBe('true')
    await page.get('#learn-click').setValue(true)
    expect(id('save-state').attributes('data-unsaved')).toBe('false')
    page.unmount()
  })

  it('begins a training with the last model where that is wanted and something is trained, not searched', async () => {
    const { page, sent } = await open([{ ...SCHEDULE, warm_start: false }], { 'PATCH retraining_schedule/6/': (body: object) => [200, { ...SCHEDULE, ...body }] })
    await page.get('#warm-start').setValue(true)
    await page.get('[data-testid="schedule"]').trigger('submit')
    await settle()
    expect(sent[0]?.body).toEqual({ warm_start: true })
    await page.get('[data-testid="retune"] input').setValue(true)
    expect(page.find('#warm-start').exists()).toBe(false)
    page.unmount()
  })

  it('begins from nothing, and says what the server refuses at its field', async () => {
    const { page, id, has, sent } = await open([], { 'POST retraining_schedule/': () => [400, { time_zone: ['Unknown.'] }] })
    expect(has('empty-state')).toBe(true)
    await id('begin-schedule').trigger('click')
    await settle()
    await page.get('[data-testid="schedule"]').trigger('submit')
    await settle()
    expect(sent[0]?.body).toMatchObject({ project: 3, is_enabled: true, cron_expression: '0 3 * * 1', model_configuration: 8 })
    expect(page.get('#cron-zone-error').text()).toBe('Unknown.')
    page.unmount()
  })

  it('is switched off at once', async () => {
    const { page, id, sent } = await open([SCHEDULE], { 'PATCH retraining_schedule/6/': (body: object) => [200, { ...SCHEDULE, ...body, next_run_at: null }] })
    await id('enabled').get('input').setValue(false)
    await settle()
    expect(sent).toEqual([{ method: 'PATCH', url: 'retraining_schedule/6/', body: { is_enabled: false } }])
    expect(id('next-run').text()).toBe('–')
    page.unmount()
  })

  it('needs something to train', async () => {
    const { page, id, sent } = await open([], { 'GET model_configuration/': list([]) })
    await id('begin-schedule').trigger('click')
    await settle()
    await page.get('[data-testid="schedule"]').trigger('submit')
    expect(page.get('#retraining-configuration-error').text()).toBe('Choose the configuration to train.')
    expect(sent).toEqual([])
    page.unmount()
  })
})
