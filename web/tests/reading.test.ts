import { mount } from '@vue/test-utils'
import { beforeEach, describe, expect, it } from 'vitest'
import type { ColumnNote, DataReport, MetaDataColumn } from '@/api/types'
import DataReportView from '@/components/DataReport.vue'
import { i18n } from '@/i18n'
import { en } from '@/i18n/en'
import { isReadable, KINDS, PACKINGS } from '@/lib/file-kinds'
import { nearest } from '@/lib/nearest'
import { openPage, MEMBER } from './support'

const REPORT: DataReport = {
  rows_total: 1000,
  rows_kept: 990,
  rejected: 0,
  users: 100,
  items: 50,
  density: 0.1,
  duplicates: 0,
  blank_ids: 0,
  time_min: '2020-01-01T00:00:00Z',
  time_max: '2020-12-01T00:00:00Z',
  rejected_examples: [],
}
const note = (kind: ColumnNote['kind'], more: Partial<ColumnNote> = {}): ColumnNote => ({
  column: 'ts',
  kind,
  count: 0,
  examples: [],
  guess: null,
  ...more,
})

function remarks(report: Partial<DataReport>) {
  const view = mount(DataReportView, {
    props: { report: { ...REPORT, ...report }, rejectedUrl: null },
    global: { plugins: [i18n] },
  })
  return view
    .findAll('[data-testid="remark"]')
    .map((line) => ({ text: line.text(), warns: line.attributes('data-warns') === 'true' }))
}

beforeEach(() => {
  i18n.global.locale.value = 'en'
})

describe('the report says in words how a file was read', () => {
  it('with what is odd before what is not', () => {
    const notes = [
      note('times_read', { guess: 'year_month_day' }),
      note('delimiter_found', { column: null, guess: 'semicolon' }),
      note('times_before1980', { count: 12, examples: ['44562'], guess: 'excel_days' }),
      note('ids_look_missing', { column: 'user', count: 1, examples: ['NULL'] }),
      note('ids_differ_in_spaces', { column: 'item', count: 1234, examples: ['7 '] }),
    ]
    expect(remarks({ notes })).toEqual([
      {
        text: '12 times in “ts” are before 1980 (“44562”). Check the time column if your data is newer. The values look like days as Excel counts them.',
        warns: true,
      },
      {
        text: '1 row has an ID in “user” that looks like a missing value (“NULL”). It was kept as an ID.',
        warns: true,
      },
      {
        text: '1,234 IDs in “item” equal another one except for spaces (“7 ”). They are treated as different IDs.',
        warns: true,
      },
      { text: 'Times in “ts” were read as dates in digits (20200102).', warns: false },
      { text: 'Fields are separated by semicolons.', warns: false },
    ])
  })

  it('and which rows are later than the upload, once', () => {
    const late_times = { rows: 1, last: '9999-12-31T00:00:00Z', counted_as: '2020-12-01T00:00:00Z' }
    const found = remarks({ late_times, notes: [note('times_after_upload', { count: 1 })] })
    expect(found).toHaveLength(1)
    expect(found[0]?.text).toMatch(
      /^1 row is dated after the upload: Dec 31, 9999\. It counts as Dec 1, 2020/,
    )
    expect(remarks({ late_times: { ...late_times, counted_as: null } })[0]?.text).toContain(
      'Check the time column',
    )
  })

  it('in Japanese too', () => {
    i18n.global.locale.value = 'ja'
    const [first] = remarks({ notes: [note('times_read', { guess: 'unix_millis' })] })
    expect(first?.text).toBe('ts の日時を西暦 1970 年からのミリ秒数として読み取りました。')
  })

  it('and says nothing where the report of an older file knows nothing', () => {
    expect(remarks({})).toEqual([])
  })

  it('has words for every note and guess of the server', () => {
    const all = Object.keys(en.reading.notes) as ColumnNote['kind'][]
    const shown = remarks({
      notes: all.map((kind) => note(kind, { count: 2, guess: 'tab', examples: ['a'] })),
    })
    expect(shown.every(({ text }) => text !== '' && !text.includes('reading.') && !/[{}|]/.test(text))).toBe(
      true,
    )
  })
})

const COLUMNS: MetaDataColumn[] = [
  {
    name: 'price',
    kind: 'number',
    cells: 12,
    not_numbers: 2,
    formatted_numbers: 0,
    examples: ['N/A', 'on request'],
  },
  { name: 'cost', kind: 'text', cells: 12, not_numbers: 0, formatted_numbers: 12, examples: ['$5'] },
  { name: 'title', kind: 'text', cells: 12, not_numbers: 0, formatted_numbers: 0, examples: [] },
]

it('item metadata names its columns of numbers and the cells that are none', async () => {
  const file = {
    id: 8,
    project: 3,
    file: 'x',
    ins_datetime: '2026-01-01T00:00:00Z',
    basename: 'items.csv',
    filesize: 1200,
    status: 'ready',
    valid_columns_list_json: COLUMNS.map(({ name }) => name),
    report: { columns: COLUMNS },
  }
  const project = {
    id: 3,
    owner: 1,
    name: 'Shop',
    organisation: 5,
    user_column: 'user',
    item_column: 'sku',
    time_column: null,
  }
  const { default: DataPage } = await import('@/pages/DataPage.vue')
  const { page } = await openPage('data', DataPage, {
    address: '/projects/3/data',
    user: MEMBER,
    answers: {
      'GET project/3/': project,
      'GET organisation/': [{ id: 5, name: 'Books', role: 'editor', is_personal: false }],
      'GET training_data/': [],
      'GET item_meta_data/': [file],
    },
  })
  expect(page.findAll('[data-testid="meta-data-column"]').map((column) => column.text())).toEqual([
    'price123 (Number)',
    'cost (Text)',
    'title (Text)',
  ])
  expect(page.findAll('[data-testid="remark"]').map((line) => line.text())).toEqual([
    '2 of 12 cells in “price” are not numbers (“N/A”, “on request”). Filters by number skip them.',
    '12 cells in “cost” have a currency or thousands separators (“$5”). Write plain numbers to filter by them.',
  ])
  page.unmount()
})

it('files are named by what the server reads', () => {
  expect([KINDS, PACKINGS]).toEqual([
    '.csv .tsv .json .jsonl .ndjson .parquet',
    '.gz .gzip .bz2 .xz .zst .zip',
  ])
  for (const name of [
    'a.csv',
    'A.TSV.GZ',
    'a.b.ndjson.zst',
    'a.json.bz2',
    'a.jsonl.xz',
    'a.parquet.zip',
    'a.zip',
  ])
    expect(isReadable(name), name).toBe(true)
  for (const name of ['a', 'csv', 'a.gz', 'a.xlsx', 'a.csv.7z', 'a.txt.gz', ''])
    expect(isReadable(name), name).toBe(false)
})

it('slips are understood and other words are not', () => {
  const known = ['view', 'purchase']
  expect(['purhcase', 'Purchase', 'veiw', 'click'].map((word) => nearest(word, known))).toEqual([
    'purchase',
    'purchase',
    'view',
    undefined,
  ])
})
