import { afterEach, describe, expect, it, vi } from 'vitest'
import type { AbResults, AbTest } from '@/api/types'
import { adviceFor, dataShare } from '@/lib/ab-advice'
import AbTestPage from '@/pages/AbTestPage.vue'
import { ADMIN, list, openPage } from './support'
import { common, slot } from './traffic-fixtures'

// Charts need a canvas, which is missing here.
vi.mock('@/charts/AbChart.vue', () => ({ __esModule: true, default: { render: () => null } }))
afterEach(() => vi.unstubAllGlobals())

const TEST: AbTest = {
  id: 4,
  project: 3,
  name: 'T',
  status: 'RUNNING',
  control_slot: 1,
  variant_slot: 2,
  target_metric_name: 'ctr',
  min_sample_size: 1000,
  confidence_level: 0.95,
  started_at: '2026-01-01T00:00:00Z',
  ended_at: null,
  winner_slot: null,
  ins_datetime: '2026-01-01T00:00:00Z',
  updated_at: '2026-01-01T00:00:00Z',
}
const RESULTS: AbResults = {
  control_impressions: 503,
  control_conversions: 40,
  control_rate: 0.079523,
  variant_impressions: 600,
  variant_conversions: 90,
  variant_rate: 0.15,
  z_score: 3.6155,
  p_value: 0.0003,
  significant: true,
  lift: 88.62,
  confidence_interval: [0.033392, 0.107563],
  min_sample_size: 1000,
  sufficient_data: true,
  control_attributed_conversions: 40,
  variant_attributed_conversions: 90,
  sample_ratio: {
    control_users: 503,
    variant_users: 600,
    expected_control_share: 0.5,
    p_value: 0.0035,
    suspicious: false,
  },
  sequential: { p_value: 0.008864, significant: true, lift_interval: [9.17, 225.9] },
  lift_interval: [32.51, 168.5],
  advice: 'variant_wins',
  needed_sample_size: { control: 0, variant: 0 },
}

describe('the advice on a test', () => {
  it('says whether the data that was asked for is there', () => {
    const early: AbResults = {
      ...RESULTS,
      min_sample_size: 5000,
      sufficient_data: false,
      advice: 'keep_running',
    }
    expect(adviceFor(TEST, early)).toBe('early')
    expect(adviceFor({ ...TEST, status: 'COMPLETED' }, { ...early, advice: 'no_difference_found' })).toBe(
      'earlyEnd',
    )
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

it('a test says in words what its numbers mean, and warns of a slot that no request reaches', async () => {
  const { page, id, has } = await openPage('ab-test', AbTestPage, {
    address: '/projects/3/ab-tests/4',
    user: ADMIN,
    answers: {
      ...common,
      'GET ab_test/4/': TEST,
      'GET ab_test/4/results/': RESULTS,
      'GET deployment_slot/': list([slot(1, 'Front', 100), slot(2, 'New', 0)]),
    },
  })
  expect(id('advice').text()).toContain('“New” is better')
  expect(id('advice').text()).toContain('88.6% higher than that of “Front”')
  expect(id('silent-slots').text()).toContain('New')
  expect(has('stop-test')).toBe(true)
  expect(has('delete-test')).toBe(false)
  page.unmount()
})

it('a test whose users are divided wrongly, or whose difference holds for one look only, says so', async () => {
  const results: AbResults = {
    ...RESULTS,
    advice: 'check_assignment',
    sample_ratio: {
      control_users: 300,
      variant_users: 420,
      expected_control_share: 0.5,
      p_value: 0.000008,
      suspicious: true,
    },
    sequential: { p_value: 0.12, significant: false, lift_interval: [-3, 210] },
    needed_sample_size: { control: 1200, variant: 1300 },
  }
  const { page, id } = await openPage('ab-test', AbTestPage, {
    address: '/projects/3/ab-tests/4',
    user: ADMIN,
    answers: {
      ...common,
      'GET ab_test/4/': TEST,
      'GET ab_test/4/results/': results,
      'GET deployment_slot/': list([slot(1, 'Front', 100), slot(2, 'New', 100)]),
    },
  })
  expect(id('advice').text()).toContain('Check how users are assigned')
  expect(id('ratio-warning').text()).toContain('should have 50% of the 720 users, but it has 41.7%')
  expect(id('only-once').text()).toContain('single planned look')
  expect(id('still-needed').text()).toContain('1,200 more impressions of the control')
  expect(id('lift-interval').text()).toContain('+88.6%, between -3% and +210%')
  page.unmount()
})
