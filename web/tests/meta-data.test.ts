import { afterEach, expect, it, vi } from 'vitest'
import DataPage from '@/pages/DataPage.vue'
import { MEMBER, openPage, settle } from './support'

afterEach(() => vi.unstubAllGlobals())

const PROJECT = {
  id: 3,
  owner: 1,
  name: 'Shop',
  organisation: 5,
  user_column: 'user',
  item_column: 'sku',
  time_column: null,
  event_column: null,
  event_weights: {},
  half_life_days: null,
  ins_datetime: '',
  updated_at: '',
}
const FILE = {
  id: 8,
  project: 3,
  file: 'x',
  ins_datetime: '2026-01-01T00:00:00Z',
  basename: 'items.csv',
  filesize: 1200,
  status: 'ready',
  valid_columns_list_json: ['sku', 'title', 'a', 'b', 'c', 'd', 'e', 'f'],
}
const open = (role: string, files: unknown[], profiles: unknown[] = []) =>
  openPage('data', DataPage, {
    address: '/projects/3/data',
    user: MEMBER,
    answers: {
      'GET project/3/': PROJECT,
      'GET organisation/': [{ id: 5, name: 'Books', role, is_personal: false }],
      'GET training_data/': [],
      'GET item_meta_data/': files,
      'GET user_meta_data/': profiles,
      'GET user_meta_data/9/preview/': { columns: ['user', 'age'], rows: [['u1', '20s']], total_rows: 1 },
      'GET item_meta_data/8/preview/': { columns: ['sku', 'title'], rows: [['007', 'Dune']], total_rows: 1 },
    },
  })

it('what is known about items is listed, and looked into', async () => {
  const { page, id } = await open('editor', [FILE])
  expect(id('item-data-row').text()).toContain('+2')
  await id('item-data-preview').trigger('click')
  await settle()
  expect(id('preview-table').text()).toContain('Dune')
  expect(id('column-role').text()).toBe('item')
  page.unmount()
})

it('a file that could not be prepared says why', async () => {
  const error = 'The file is damaged.'
  const { page, id } = await open('viewer', [
    { ...FILE, status: 'failed', error, valid_columns_list_json: null },
  ])
  expect(id('item-data-row').text()).toContain('Failed')
  expect(id('item-data-row').text()).toContain(error)
  page.unmount()
})

it('viewers are offered no changes', async () => {
  const { page, has } = await open('viewer', [FILE])
  expect(has('delete-item-data')).toBe(false)
  expect(has('item-file-input')).toBe(false)
  expect(has('user-file-input')).toBe(false)
  page.unmount()
})

it('none is fine', async () => {
  const { page, has } = await open('editor', [])
  expect(has('no-item-data')).toBe(true)
  expect(has('item-file-input')).toBe(true)
  page.unmount()
})

it('profiles of users are listed beside items, and looked into', async () => {
  const profile = { ...FILE, id: 9, basename: 'people.csv', valid_columns_list_json: ['age'] }
  const { page, id, has } = await open('editor', [], [profile])
  expect(has('no-item-data')).toBe(true)
  expect(has('user-file-input')).toBe(true)
  const section = page.get('[aria-labelledby="user-data-title"]')
  expect(section.get('h2').text()).toBe('User metadata')
  expect(section.text()).toContain('People without history get recommendations by their profile.')
  expect(id('user-data-row').get('a').attributes('href')).toBe('/api/v1/user_meta_data/9/download_file/')
  await id('user-data-preview').trigger('click')
  await settle()
  expect(id('preview-table').text()).toContain('20s')
  expect(id('column-role').text()).toBe('user')
  page.unmount()
})
