import { afterEach, describe, expect, it, vi } from 'vitest'
import { auditQuery, difference } from '@/lib/audit'
import AuditPage from '@/pages/AuditPage.vue'
import { ADMIN, openPage, settle } from './support'

afterEach(() => vi.unstubAllGlobals())

describe('the difference of two states', () => {
  it('goes into settings and leaves out what stayed', () => {
    const before = { name: 'Shop', event_weights: { view: 1, buy: 2 }, half_life_days: null, tags: ['a'] }
    const after = { name: 'Shop', event_weights: { view: 0.5, buy: 2 }, half_life_days: 30, tags: ['a'] }
    expect(difference({ before, after })).toEqual([
      { field: 'event_weights.view', before: '1', after: '0.5' },
      { field: 'half_life_days', before: 'null', after: '30' },
    ])
  })

  it('of something new or gone has one side only', () => {
    expect(difference({ before: null, after: { role: 'editor' } })).toEqual([
      { field: 'role', before: null, after: 'editor' },
    ])
    expect(difference({ before: { empty: {} }, after: null })).toEqual([
      { field: 'empty', before: '{}', after: null },
    ])
    expect(difference({ before: null, after: null })).toEqual([])
  })
})

it('the last day counts to its end', () => {
  const query = auditQuery({
    organisation: 2,
    project: null,
    user: null,
    resource: null,
    action: null,
    since: '2026-03-01',
    until: '2026-03-01',
  })
  expect(Date.parse(String(query.until)) - Date.parse(String(query.since))).toBe(86_400_000)
})

it('filters live in the address; a change opens to its fields', async () => {
  const entry = {
    id: 1,
    at: '2026-01-01T00:00:00Z',
    organisation: 2,
    project: null,
    user: null,
    username: null,
    api_key: 12,
    address: '::1',
    request_id: 'r-1',
    action: 'updated',
    resource: 'project',
    resource_id: 3,
    before: { name: 'A' },
    after: { name: 'B' },
  }
  const { page, id, has, router } = await openPage('audit', AuditPage, {
    address: '/audit?organisation=2&action=updated',
    user: ADMIN,
    answers: {
      'GET audit_log/': { count: 120, results: [entry] },
      'GET organisation/': [{ id: 2, name: 'Books', role: 'owner' }],
      'GET project/': [],
      'GET users/': [],
    },
  })
  expect(id('audit-row').text()).toContain('API key #12')
  expect(id('audit-row').text()).toContain('Books')
  expect(id('export-csv').attributes('href')).toBe(
    '/api/v1/audit_log/export/?format=csv&organisation=2&action=updated',
  )
  expect(has('difference')).toBe(false)
  await id('audit-toggle').trigger('click')
  expect(id('difference').get('del').text()).toBe('A')
  expect(id('difference').get('ins').text()).toBe('B')
  await id('audit-older').trigger('click')
  await settle()
  expect(router.currentRoute.value.query).toEqual({ organisation: '2', action: 'updated', page: '2' })
  page.unmount()
})
