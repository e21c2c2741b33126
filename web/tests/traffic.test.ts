import { afterEach, describe, expect, it, vi } from 'vitest'
import type { OffPolicyEstimates, SlotComparison } from '@/api/types'
import { projectPredictCommand } from '@/lib/curl'
import { shares } from '@/lib/shares'
import DeploymentsPage from '@/pages/DeploymentsPage.vue'
import SlotComparisonPage from '@/pages/SlotComparisonPage.vue'
import { ADMIN, list, openPage, settle } from './support'
import { common, MODEL, PROJECT, slot } from './traffic-fixtures'

afterEach(() => vi.unstubAllGlobals())

describe('shares', () => {
  it('are weights beside those of the active slots', () => {
    expect([...shares([slot(1, 'a', 100), slot(2, 'b', 50), slot(3, 'c', 70, false)]).values()]).toEqual([
      100 / 150,
      50 / 150,
      0,
    ])
  })

  it('of a shadow are nothing: users do not see it', () => {
    expect([...shares([slot(1, 'a', 10), { ...slot(2, 'b', 90), is_shadow: true }]).values()]).toEqual([1, 0])
  })

  it('of no slots are nothing, not a division by zero', () => {
    expect([...shares([slot(1, 'a', 0), slot(2, 'b', 9, false)]).values()]).toEqual([0, 0])
  })
})

describe('the deployments', () => {
  const open = (answers = {}) =>
    openPage('deployments', DeploymentsPage, {
      address: '/projects/3/deployments',
      user: ADMIN,
      answers: {
        ...common,
        'GET deployment_slot/': list([slot(1, 'Front', 100), slot(2, 'New', 0)]),
        'GET trained_model/': list([MODEL]),
        ...answers,
      },
    })

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
    expect(projectPredictCommand('https://x', 3, "o'k")).toContain(
      `/inference/predict/project/3 -H 'X-API-Key: rctm_…'`,
    )
  })
})

describe('a shadow slot', () => {
  const shadow = { ...slot(2, 'New', 0), is_shadow: true }
  const estimate = (value: number) => ({
    value,
    standard_error: 0.01,
    interval: [value - 0.02, value + 0.02] as [number, number],
  })
  const estimates: OffPolicyEstimates = {
    requests: 40,
    live: estimate(0.3),
    ips: estimate(0.35),
    snips: estimate(0.33),
    doubly_robust: { ...estimate(0.34), interval: null },
    effective_sample_size: 31.4,
    support: 0.62,
    warnings: ['small_sample', 'little_support'],
  }
  const FOUND: SlotComparison = {
    slot: 2,
    trained_model: 7,
    since: '',
    cutoff: 3,
    is_partial: false,
    requests: 40,
    users: 25,
    agreement: {
      overlap: 0.5,
      overlap_by_depth: [0.25, 0.4, 0.5],
      rank_biased_overlap: 0.41,
      identical: 0.1,
    },
    live: { items: 12, coverage: 0.3 },
    shadow: { items: 20, coverage: 0.5 },
    clicked: { items: 8, live: 1, shadow: 0.75 },
    purchased: { items: 0, live: null, shadow: null },
    click_estimates: estimates,
    purchase_estimates: null,
  }
  const open = (found: unknown, row: unknown = shadow, project: unknown = PROJECT) =>
    openPage('slot-comparison', SlotComparisonPage, {
      address: '/projects/3/deployments/2/comparison',
      user: ADMIN,
      answers: {
        ...common,
        'GET project/3/': project,
        'GET deployment_slot/2/': row,
        'GET deployment_slot/2/comparison/': found,
      },
    })

  it('has a comparison in place of a weight', async () => {
    const { page, id } = await openPage('deployments', DeploymentsPage, {
      address: '/projects/3/deployments',
      user: ADMIN,
      answers: {
        ...common,
        'GET deployment_slot/': list([slot(1, 'Front', 100), shadow]),
        'GET trained_model/': list([MODEL]),
      },
    })
    expect(id('slot-comparison').attributes('href')).toBe('/projects/3/deployments/2/comparison')
    expect(page.findAll('[data-testid="weight"]')).toHaveLength(1)
    page.unmount()
  })

  it('is made with one switch, which takes the place of a weight', async () => {
    const made: Record<string, unknown>[] = []
    const { page, id, has } = await openPage('deployments', DeploymentsPage, {
      address: '/projects/3/deployments',
      user: ADMIN,
      answers: {
        ...common,
        'GET deployment_slot/': list([slot(1, 'Front', 100)]),
        'GET trained_model/': list([MODEL]),
        'POST deployment_slot/': (body: Record<string, unknown>) => (
          made.push(body),
          [201, { ...shadow, name: body.name }]
        ),
      },
    })
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
    expect(page.findAll('[data-testid="overlap-bar"]').map((bar) => bar.attributes('style'))).toEqual([
      'height: 25%;',
      'height: 40%;',
      'height: 50%;',
    ])
    expect(id('lists').text()).toContain('Clicked items in the list (of 8)100%75%')
    expect(page.findAll('[data-testid="earnings"]')).toHaveLength(1)
    expect(id('earnings').text()).toContain('doubly robust0.340–')
    expect(id('earnings').text()).toContain('self-normalised0.3300.310 – 0.350')
    expect(
      page.findAll('[data-testid="earnings-warning"]').map((warning) => warning.attributes('data-warning')),
    ).toEqual(['small_sample', 'little_support'])
    page.unmount()
  })

  it('without traffic says why there are no figures', async () => {
    const nothing: SlotComparison = {
      ...FOUND,
      requests: 0,
      users: 0,
      agreement: null,
      click_estimates: null,
    }
    for (const [row, project, words] of [
      [shadow, PROJECT, 'receives a copy of each request'],
      [{ ...shadow, is_active: false }, PROJECT, 'is inactive'],
      [slot(2, 'New', 10), PROJECT, 'serves users'],
      [shadow, { ...PROJECT, logged_share: 0 }, 'Logging is off'],
    ] as const) {
      const { page, id } = await open(nothing, row, project)
      expect(id('empty-state').text()).toContain(words)
      page.unmount()
    }
  })
})
