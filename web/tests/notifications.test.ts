import { flushPromises } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Notification } from '@/api/integrations'
import NotificationBell from '@/components/NotificationBell.vue'
import { byDay, linkOf } from '@/lib/notifications'
import { localDay, localMoment } from '@/lib/moments'
import { ADMIN, list, openPage, settle } from './support'

afterEach(() => vi.unstubAllGlobals())

const row = (id: number, occurred_at: string, changes: Partial<Notification> = {}): Notification => ({
  id,
  project: 3,
  project_name: 'Shop',
  topic: 'model.trained',
  data: {},
  link_path: '/projects/3/models/7',
  occurred_at,
  is_read: false,
  ...changes,
})

describe('notifications', () => {
  it('are grouped by the days of the reader', () => {
    const noon = new Date(2026, 10, 30, 12)
    const late = new Date(2026, 10, 29, 23, 59)
    const rows = [row(3, noon.toISOString()), row(2, noon.toISOString()), row(1, late.toISOString())]
    expect(byDay(rows).map(({ day, rows }) => [day, rows.map(({ id }) => id)])).toEqual([
      ['2026-11-30', [3, 2]],
      ['2026-11-29', [1]],
    ])
    expect(byDay([])).toEqual([])
    expect(localDay(late)).toBe('2026-11-29')
    expect(localMoment(new Date(2026, 0, 2, 3, 4))).toBe('2026-01-02T03:04')
  })

  it('lead to pages of this site only', () => {
    expect(linkOf({ link_path: '/projects/3' })).toBe('/projects/3')
    expect(linkOf({ link_path: '//evil.example' })).toBe('/')
    expect(linkOf({ link_path: null })).toBeNull()
  })
})

describe('the bell', () => {
  const now = () => new Date().toISOString()
  const open = (rows: Notification[], unread: number, user: typeof ADMIN | null = ADMIN) =>
    openPage('projects', NotificationBell, {
      address: '/',
      user,
      answers: {
        'GET notification/': { ...list(rows), unread },
        'POST notification/mark_read/': () => [204, null],
      },
    })

  it('says how many are unread, and marks all of them as read', async () => {
    const { page, id, sent } = await open([row(12, now()), row(11, now(), { is_read: true })], 1)
    expect(id('bell-label').text()).toBe('Notifications, 1 unread')
    await id('bell').trigger('click')
    await settle()
    const shown = page.findAll('[data-testid="notification"]').map((line) => line.text())
    expect(shown[0]).toMatch(/Model trained.*\(unread\).*Shop/s)
    expect(shown[1]).not.toContain('unread')
    expect(page.text()).toContain('Today')
    await id('read-all').trigger('click')
    await settle()
    expect(sent).toEqual([{ method: 'POST', url: 'notification/mark_read/', body: { until: 12 } }])
    page.unmount()
  })

  it('names what it is about, and what went wrong', async () => {
    const data = [
      { model: 7, algorithm: 'IALSRecommender', users: 3 },
      { tuning_job: 4, model: 7, best_score: 0.45217, error: null },
      { training_data: 2, name: 'a.csv', rows: 1200, error: null },
      { after: [{ name: 'Front page' }], before: [{ name: 'Front page' }, { name: 'Old' }] },
      { training_data: 2, name: 'b.csv', rows: null, error: 'the file is broken' },
    ]
    const { page, id } = await open(
      data.map((data, at) => row(20 - at, now(), { data })),
      0,
    )
    await id('bell').trigger('click')
    await settle()
    const shown = page.findAll('[data-testid="notification"]').map((line) => line.text())
    const wanted = ['Model 7 · IALS', 'Search 4 · 0.4522', 'a.csv · 1,200 rows', 'Front page · Old', 'b.csv']
    wanted.forEach((text, at) => expect(shown[at]).toContain(text))
    expect(shown[4]).toContain('the file is broken')
    page.unmount()
  })

  it('leads to what happened, and marks it as read', async () => {
    const { page, id, sent, router } = await open([row(12, now()), row(11, now())], 2)
    await id('bell').trigger('click')
    await settle()
    await page.findAll('[data-testid="notification"] a')[1]?.trigger('click')
    await settle()
    expect(sent[0]?.body).toEqual({ until: 11 })
    expect(router.currentRoute.value.path).toBe('/projects/3/models/7')
    page.unmount()
  })

  it('shows that nothing has happened', async () => {
    const { page, id, has } = await open([], 0)
    expect(id('bell-label').text()).toBe('Notifications')
    await id('bell').trigger('click')
    await settle()
    expect(page.text()).toContain('Nothing has happened yet')
    expect(has('read-all')).toBe(false)
    page.unmount()
  })

  it('asks nothing without a session', async () => {
    const { page } = await open([row(12, now())], 1, null)
    await flushPromises()
    expect(page.get('[data-testid="bell"]').attributes('data-unread')).toBe('0')
    page.unmount()
  })
})
