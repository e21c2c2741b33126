import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import type { DataSource } from '@/api/types'
import DataSources from '@/components/DataSources.vue'
import { i18n } from '@/i18n'

const SOURCES: DataSource[] = [
  { kind: 'upload', training_data: 4, basename: 'shop.csv', sha256: 'ab'.repeat(32), rows: 1200 },
  { kind: 'upload', training_data: 5, basename: null, sha256: null, rows: 7 },
  {
    kind: 'events',
    event_types: ['click', 'purchase'],
    after: '2026-11-21T10:00:00Z',
    first_id: 11,
    last_id: 99,
    rows: 30,
    sha256: 'cd'.repeat(32),
  },
]

function show(locale: 'en' | 'ja') {
  i18n.global.locale.value = locale
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [
      { path: '/projects/:projectId/data/:dataId', name: 'data-detail', component: { template: '<p />' } },
    ],
  })
  return mount(DataSources, {
    props: { sources: SOURCES, projectId: 3 },
    global: { plugins: [i18n, router] },
  })
}

it('names each source with its rows and checksum, and leads to uploads', () => {
  const parts = show('en').findAll('li')
  expect(parts[0]?.get('a').attributes('href')).toBe('/projects/3/data/4')
  expect(parts[0]?.text()).toContain('shop.csv')
  expect(parts[0]?.text()).toContain('1,200 rows')
  expect(parts[0]?.text()).toContain('ab'.repeat(32))
  expect(parts[1]?.text()).toContain('Data 5')
  expect(parts[2]?.text()).toMatch(/^Clicks and Purchases since Nov 21, 2026/)
  expect(parts[2]?.text()).toContain('30 rows · IDs 11 to 99')
})

it('says so in Japanese, too', () => {
  expect(show('ja').findAll('li')[2]?.text()).toContain('クリックと購入')
})
