import { mount, RouterLinkStub } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { FeatureColumn, FeatureMeasurement, FeatureSet, FeatureSpec, Field } from '@/api/features'
import ModelLineage from '@/components/ModelLineage.vue'
import { i18n } from '@/i18n'
import { aboutColumn, changesBetween, mistakesOf, specText, trimmed, withKind } from '@/lib/feature-spec'
import FeaturesPage from '@/pages/FeaturesPage.vue'
import { list, MEMBER, openPage, settle, type Answers } from './support'

type Values = Record<string, unknown>

const PAUSE_MS = 300

// Whole pages are opened, which takes longer on a busy machine.
vi.setConfig({ testTimeout: 30_000 })

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] }),
)
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function pass(ms: number) {
  await vi.advanceTimersByTimeAsync(ms)
  await settle()
}

const PROJECT = { id: 3, name: 'Shop', organisation: 5, user_column: 'user', item_column: 'sku' }
const column = (name: string, more: Partial<FeatureColumn> = {}): FeatureColumn => ({
  column: name,
  kind: 'category',
  reason: 'values that come back in other rows',
  coverage: 0.98,
  n_distinct: 12,
  examples: ['red', 'green'],
  ...more,
})
const COLUMNS = [
  column('title', { kind: 'text', reason: 'most values differ and have words in common', coverage: 1 }),
  column('genres'),
  column('price', { kind: 'number', reason: 'each value is a number', coverage: 0.5 }),
  column('url', { kind: null, reason: 'the values are links' }),
]
const GUESS: FeatureSpec = {
  version: 1,
  fields: [
    { column: 'title', kind: 'text', weight: 1 },
    { column: 'genres', kind: 'category', weight: 1 },
    { column: 'price', kind: 'number', weight: 1 },
  ],
}
const version = (number: number, fields: Field[], more: Partial<FeatureSet> = {}): FeatureSet => ({
  id: 40 + number,
  project: 3,
  name: 'Films',
  target: 'items',
  version: number,
  spec: { version: 1, fields },
  spec_sha256: '',
  is_current: false,
  created_by: 1,
  ins_datetime: '2026-01-01T00:00:00Z',
  ...more,
})
const FIRST = version(1, [{ column: 'genres', kind: 'category', weight: 1 }])
const SECOND = version(2, GUESS.fields, { is_current: true })

const estimate = (mean: number) => ({ mean, low: mean - 0.01, high: mean + 0.01 })
const MEASUREMENT: FeatureMeasurement = {
  id: 7,
  project: 3,
  feature_set: SECOND.id,
  data: 9,
  algorithm: 'IALSRecommender',
  status: 'COMPLETED',
  progress: null,
  error: null,
  ins_datetime: '2026-01-02T00:00:00Z',
  end_datetime: '2026-01-02T00:01:00Z',
  result: {
    n_users: 943,
    n_items: 1682,
    n_cold: 168,
    cutoff: 20,
    ndcg: estimate(0.23),
    baselines: {
      random: estimate(0.02),
      popularity_from_features: estimate(0.11),
      content_knn: estimate(0.19),
    },
    fields: [
      { field: 0, column: 'title', worth: 0.002, low: -0.002, high: 0.006, is_noise: true },
      { field: 1, column: 'genres', worth: 0.041, low: 0.035, high: 0.047, is_noise: false },
      { field: 2, column: 'price', worth: -0.01, low: -0.014, high: -0.006, is_noise: false },
    ],
  },
}

const PREVIEW = {
  items: [
    {
      item_id: '007',
      fields: [
        { column: 'title', kind: 'text', terms: [{ term: 'goldfinger', weight: 0.9 }], n_terms: 3 },
        { column: 'genres', kind: 'category', terms: [], n_terms: 0 },
      ],
    },
  ],
  fields: [
    { column: 'title', n_columns: 30, empty_share: 0.01 },
    { column: 'genres', n_columns: 12, empty_share: 0.75 },
    { column: 'price', n_columns: 16, empty_share: 0, warning: 'Something to know.' },
  ],
  neighbours: { item_id: '007', items: [{ item_id: 'a/b c', score: 0.5, terms: ['action'] }] },
}

interface Given {
  role?: string
  columns?: unknown
  sets?: FeatureSet[]
  measurements?: FeatureMeasurement[]
  answers?: Answers
}

async function open({
  role = 'editor',
  columns = COLUMNS,
  sets = [],
  measurements = [],
  answers = {},
}: Given = {}) {
  const opened = await openPage('features', FeaturesPage, {
    address: '/projects/3/features',
    user: MEMBER,
    answers: {
      'GET project/3/': PROJECT,
      'GET organisation/': [{ id: 5, name: 'Books', role, is_personal: false }],
      'GET item_meta_data/': [],
      'GET training_data/': [{ id: 9, basename: 'ratings.csv', status: 'ready' }],
      'GET algorithms/': [{ name: 'IALSRecommender', short: 'IALS', parameters: [] }],
      'GET feature_sets/': list(sets),
      'GET feature_measurements/': list(measurements),
      'GET feature_sets/columns/': { item_meta_data: 8, n_items: 1682, columns, spec: GUESS },
      'POST feature_sets/preview/': PREVIEW,
      ...answers,
    },
  })
  await pass(1)
  const row = (name: string, at = 0) =>
    opened.page.findAll(`[data-testid="feature-row"][data-column="${name}"]`)[at]!
  const inRow = (name: string, testid: string, at = 0) => row(name, at).get(`[data-testid="${testid}"]`)
  const previews = () => opened.sent.filter(({ url }) => url === 'feature_sets/preview/')
  const lastSpec = () => previews().at(-1)?.body?.spec as FeatureSpec
  return { ...opened, row, inRow, previews, lastSpec }
}

const shownColumns = (page: Awaited<ReturnType<typeof open>>['page']) =>
  page.findAll('[data-testid="feature-row"]').map((row) => row.attributes('data-column'))

describe('states', () => {
  it('without item metadata, the page leads to the upload', async () => {
    const missing: Answers = { 'GET feature_sets/columns/': () => [404, { detail: 'No item metadata.' }] }
    const { page, id, has } = await open({ answers: missing })
    expect(id('empty-state').text()).toContain('No item metadata yet')
    expect(id('go-upload').attributes('href')).toBe('/projects/3/data')
    expect(has('features')).toBe(false)
    page.unmount()
  })

  it('a file that is being read, or could not be, is not called missing', async () => {
    const answers: Answers = { 'GET feature_sets/columns/': () => [404, { detail: 'No item metadata.' }] }
    const file = { id: 8, basename: 'items.csv' }
    const reading = await open({
      answers: { ...answers, 'GET item_meta_data/': [{ ...file, status: 'preparing' }] },
    })
    expect(reading.id('empty-state').text()).toContain('being read')
    reading.page.unmount()
    const failed = { ...file, status: 'failed', error: 'The file is damaged.' }
    const broken = await open({ answers: { ...answers, 'GET item_meta_data/': [failed] } })
    expect(broken.id('error-notice').text()).toContain('The file is damaged.')
    broken.page.unmount()
  })

  it('a failure is shown with a way to try again', async () => {
    const { page, id } = await open({ answers: { 'GET feature_sets/columns/': () => [500, {}] } })
    expect(id('error-notice').find('button').exists()).toBe(true)
    page.unmount()
  })

  it('viewers see everything and change nothing', async () => {
    const { page, inRow, has } = await open({ role: 'viewer', sets: [SECOND], measurements: [MEASUREMENT] })
    expect(inRow('genres', 'kind').attributes()).toHaveProperty('disabled')
    expect(inRow('genres', 'worth').text()).toContain('+0.041')
    for (const hidden of ['features-save', 'measure-start', 'restore-version', 'delete-version'])
      expect(has(hidden), hidden).toBe(false)
    page.unmount()
  })
})

describe('the guess', () => {
  it('is shown with its reason, also for what is left out', async () => {
    const { page, inRow, row, id } = await open()
    expect((inRow('title', 'kind').element as HTMLSelectElement).value).toBe('text')
    expect(inRow('title', 'reason').text()).toBe('Guessed: most values differ and have words in common')
    expect(row('url').attributes('data-used')).toBe('false')
    expect(inRow('url', 'reason').text()).toBe('Left out: the values are links')
    expect(row('price').text()).toContain('50% filled')
    expect(row('genres').text()).toContain('12 distinct values')
    expect(id('draft-of').text()).toContain('guess')
    expect(id('save-state').attributes('data-unsaved')).toBe('false')
    page.unmount()
  })

  it('is explained in Japanese', async () => {
    const { page, inRow } = await open()
    i18n.global.locale.value = 'ja'
    await settle()
    expect(inRow('genres', 'reason').text()).toBe('推定：ほかの行にも現れる値です')
    page.unmount()
  })
})

describe('editing', () => {
  it('makes the spec that is saved', async () => {
    const { page, id, inRow, row, sent } = await open({
      answers: {
        'POST feature_sets/': (body: Values) => [
          201,
          version(1, (body.spec as FeatureSpec).fields, { id: 50 }),
        ],
      },
    })
    await inRow('title', 'use').setValue(false)
    await inRow('url', 'use').setValue(true)
    await inRow('url', 'kind').setValue('text')
    await inRow('genres', 'weight').setValue('2.5')
    await inRow('genres', 'edit-field').trigger('click')
    await id('option-separator').setValue('ownSeparator')
    await id('separator-text').setValue(';')
    await id('option-min_count').setValue('3')
    await inRow('genres', 'edit-field').trigger('click')
    await inRow('price', 'kind').setValue('category')
    await inRow('price', 'edit-field').trigger('click')
    await id('add-log').trigger('click')
    await id('add-bucket').trigger('click')
    await id('step-argument').setValue('0.5')
    await page.get('[data-step="1"] [data-move="up"]').trigger('click')
    expect(row('price').text()).toContain('Bucket 0.5 → Log')
    expect(id('save-state').attributes('data-unsaved')).toBe('true')
    await id('set-name').setValue('Films')
    await id('save-bar').trigger('submit')
    await pass(1)
    expect(sent.find(({ url }) => url === 'feature_sets/')?.body).toEqual({
      project: 3,
      name: 'Films',
      is_current: true,
      spec: {
        version: 1,
        fields: [
          {
            column: 'genres',
            kind: 'category',
            weight: 2.5,
            options: { separator: ';', min_count: 3 },
          },
          { column: 'price', kind: 'category', weight: 1, derive: [{ bucket: { width: 0.5 } }, 'log'] },
          { column: 'url', kind: 'text', weight: 1 },
        ],
      },
    })
    expect(id('save-state').attributes('data-unsaved')).toBe('false')
    page.unmount()
  })

  it('a column may serve several fields', async () => {
    const { page, id, inRow, row, lastSpec } = await open()
    await inRow('title', 'edit-field').trigger('click')
    await id('add-field').trigger('click')
    await inRow('title', 'kind', 1).setValue('category')
    await pass(PAUSE_MS)
    expect(
      lastSpec()
        .fields.filter(({ column }) => column === 'title')
        .map(({ kind }) => kind),
    ).toEqual(['text', 'category'])
    await id('remove-field').trigger('click')
    await settle()
    expect(row('title', 1)).toBeUndefined()
    page.unmount()
  })

  it('mistakes are shown at their place and never sent', async () => {
    const { page, id, inRow, previews } = await open()
    const before = previews().length
    await inRow('genres', 'weight').setValue('0')
    await pass(PAUSE_MS)
    expect(page.text()).toContain('Enter a number greater than 0.')
    expect(inRow('genres', 'weight').attributes('aria-invalid')).toBe('true')
    expect(id('features-save').attributes()).toHaveProperty('disabled')
    expect(previews()).toHaveLength(before)
    await inRow('genres', 'weight').setValue('1')
    for (const name of ['title', 'genres', 'price']) await inRow(name, 'use').setValue(false)
    expect(id('save-state').text()).toBe('Use at least one column.')
    page.unmount()
  })

  it('what is being typed is never rewritten', async () => {
    const { page, inRow } = await open()
    const box = inRow('genres', 'weight')
    await box.setValue('0.0')
    expect((box.element as HTMLInputElement).value).toBe('0.0')
    await inRow('genres', 'weight-slider').setValue('2')
    expect((box.element as HTMLInputElement).value).toBe('2')
    page.unmount()
  })

  it('what the server refuses is said at the column', async () => {
    const text = 'Column "price": item "007" has "x", which is not a number.'
    const refuse = () => [400, { spec: [text] }] as [number, unknown]
    const { page, inRow, row, has } = await open({ answers: { 'POST feature_sets/preview/': refuse } })
    expect(inRow('price', 'row-error').text()).toBe('Item "007" has "x", which is not a number.')
    expect(row('genres').find('[data-testid="row-error"]').exists()).toBe(false)
    expect(has('error-notice')).toBe(false)
    page.unmount()
  })
})

describe('the preview', () => {
  it('shows five items and the nearest ones, and how many items have nothing', async () => {
    const { page, id, inRow, previews } = await open()
    expect(id('encoded-item').text()).toContain('goldfinger')
    expect(id('encoded-item').text()).toContain('+2')
    expect(id('nearest-row').text()).toContain('action')
    expect(inRow('genres', 'empty-share').text()).toBe('absent for 75% of items')
    expect(inRow('price', 'reading-warning').text()).toBe('Something to know.')
    await id('nearest-item').setValue('a/b c')
    await pass(PAUSE_MS)
    expect(previews().at(-1)?.body?.item_id).toBe('a/b c')
    page.unmount()
  })

  it('waits for a pause, and forgets what was asked before', async () => {
    const answered: ((answer: [number, unknown]) => void)[] = []
    const { page, id, inRow, previews } = await open()
    const first = previews().length
    await inRow('genres', 'weight').setValue('2')
    await pass(PAUSE_MS - 1)
    await inRow('genres', 'weight').setValue('3')
    await pass(PAUSE_MS - 1)
    expect(previews()).toHaveLength(first)
    expect(id('feature-preview').attributes('data-pending')).toBe('true')
    await pass(1)
    expect(previews()).toHaveLength(first + 1)
    expect(id('feature-preview').attributes('data-pending')).toBe('false')

    // A slow answer to an older spec comes after a newer one.
    vi.stubGlobal(
      'fetch',
      () =>
        new Promise((resolve) =>
          answered.push(([status, body]) => resolve(new Response(JSON.stringify(body), { status }))),
        ),
    )
    await inRow('genres', 'weight').setValue('4')
    await pass(PAUSE_MS)
    await inRow('genres', 'weight').setValue('5')
    await pass(PAUSE_MS)
    const named = (item_id: string) => ({ ...PREVIEW, items: [{ item_id, fields: [] }] })
    answered[1]?.([200, named('new')])
    await pass(1)
    answered[0]?.([200, named('old')])
    await pass(1)
    expect(id('encoded-item').text()).toContain('new')
    page.unmount()
  })

  it('comes later when the server has had too many requests', async () => {
    let isBusy = true
    const busy = {
      'POST feature_sets/preview/': () => (isBusy ? [429, { detail: 'Wait.' }] : [200, PREVIEW]),
    }
    const { page, id, has } = await open({ answers: busy as unknown as Answers })
    expect(has('error-notice')).toBe(false)
    expect(id('feature-preview').attributes('data-pending')).toBe('true')
    isBusy = false
    await pass(3_000)
    expect(id('encoded-item').text()).toContain('goldfinger')
    page.unmount()
  })

  it('an unknown item is said at its box', async () => {
    const { page, id } = await open({
      answers: {
        'POST feature_sets/preview/': (body: Values) =>
          body.item_id ? [400, { item_id: ['There is no such item.'] }] : [200, PREVIEW],
      },
    })
    await id('nearest-item').setValue('nobody')
    await pass(PAUSE_MS)
    expect(page.get('#nearest-item-error').text()).toContain('nobody')
    expect(id('encoded-item').text()).toContain('goldfinger')
    page.unmount()
  })
})

describe('worth', () => {
  it('stands in the table with its interval, and noise is called noise', async () => {
    const { page, id, inRow } = await open({ sets: [SECOND], measurements: [MEASUREMENT] })
    expect(inRow('genres', 'worth').text()).toBe('+0.041 ± 0.006')
    expect(inRow('title', 'worth').text()).toContain('+0.002 ± 0.004')
    expect(inRow('title', 'worth').text()).toContain('noise')
    expect(inRow('price', 'worth').text()).toContain('-0.010')
    expect(inRow('price', 'worth').text()).toContain('does harm')
    expect(id('measure-result').text()).toContain('168 hidden items for 943 users')
    expect(
      id('interval-rows')
        .findAll('li')
        .map((row) => row.get('span').text()),
    ).toEqual(['These features', 'Similarity by content', 'Popularity from features', 'Random items'])
    await id('sort').setValue('worth')
    expect(shownColumns(page)).toEqual(['genres', 'title', 'price', 'url'])
    page.unmount()
  })

  it('of a field that has changed since is marked', async () => {
    const { page, inRow } = await open({ sets: [SECOND], measurements: [MEASUREMENT] })
    await inRow('genres', 'weight').setValue('2')
    expect(inRow('genres', 'worth').text()).toContain('measured with other settings')
    expect(inRow('title', 'worth').text()).not.toContain('other settings')
    page.unmount()
  })

  it('is measured of what is on screen: changes are saved first', async () => {
    const { page, id, inRow, sent } = await open({
      sets: [SECOND],
      answers: {
        'POST feature_sets/': (body: Values) => [
          201,
          version(3, (body.spec as FeatureSpec).fields, { id: 60 }),
        ],
        'POST feature_measurements/': () => [201, { ...MEASUREMENT, feature_set: 60, status: 'PENDING' }],
      },
    })
    expect(id('measure-start').text()).toBe('Measure worth')
    await inRow('title', 'use').setValue(false)
    expect(id('measure-start').text()).toBe('Save and measure')
    await page.get('[data-testid="measure"] form').trigger('submit')
    await pass(1)
    const written = sent.filter(({ url }) => url !== 'feature_sets/preview/')
    expect(written.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST feature_sets/',
      'POST feature_measurements/',
    ])
    expect(written[1]?.body).toEqual({ feature_set: 60, data: 9, algorithm: 'IALSRecommender' })
    page.unmount()
  })

  it('a measurement that runs shows its progress and can be cancelled', async () => {
    const running: FeatureMeasurement = {
      ...MEASUREMENT,
      status: 'RUNNING',
      result: null,
      progress: { done: 2, total: 8 },
    }
    const answers: Answers = { 'DELETE feature_measurements/7/': () => [204, null] }
    const { page, id, sent } = await open({ sets: [SECOND], measurements: [running], answers })
    expect(id('measure-state').text()).toBe('2 of 8 steps done')
    await id('measure-cancel').trigger('click')
    await settle()
    expect(sent.at(-1)).toMatchObject({ method: 'DELETE', url: 'feature_measurements/7/' })
    page.unmount()
  })

  it('a measurement that failed says why', async () => {
    const failed: FeatureMeasurement = {
      ...MEASUREMENT,
      status: 'FAILED',
      result: null,
      error: 'No item of the training data has metadata.',
    }
    const { page, id } = await open({ sets: [SECOND], measurements: [failed] })
    expect(id('measure').text()).toContain('No item of the training data has metadata.')
    page.unmount()
  })
})

describe('versions', () => {
  it('an older one opens as a draft of the next', async () => {
    const { page, id, row } = await open({ sets: [SECOND, FIRST] })
    expect(id('draft-of').text()).toBe('Draft based on “Films”, version 2')
    await page.findAll('[data-testid="restore-version"]')[1]?.trigger('click')
    await settle()
    expect(row('title').attributes('data-used')).toBe('false')
    expect(id('save-state').attributes('data-unsaved')).toBe('true')
    expect(id('features-save').text()).toBe('Save version 3')
    await id('features-discard').trigger('click')
    expect(row('title').attributes('data-used')).toBe('true')
    page.unmount()
  })

  it('are compared with the draft', async () => {
    const { page, id, inRow } = await open({ sets: [SECOND, FIRST] })
    await inRow('genres', 'weight').setValue('2')
    await page.findAll('[data-testid="compare-version"]')[1]?.trigger('click')
    await settle()
    const changes = id('spec-changes').text()
    expect(changes).toContain('Category · weight 1')
    expect(changes).toContain('Category · weight 2')
    expect(page.findAll('[data-testid="spec-change"]')).toHaveLength(3)
    page.unmount()
  })

  it('one can become the current one', async () => {
    const answers: Answers = { 'PATCH feature_sets/41/': () => [200, { ...FIRST, is_current: true }] }
    const { page, id, sent } = await open({ sets: [SECOND, FIRST], answers })
    expect(page.findAll('[data-current="true"]')).toHaveLength(1)
    await id('make-current').trigger('click')
    await settle()
    expect(sent.at(-1)).toMatchObject({ method: 'PATCH', body: { is_current: true } })
    page.unmount()
  })

  it('one that names a column which the items no longer have says so', async () => {
    const gone = version(1, [{ column: 'colour', kind: 'category', weight: 1 }, ...GUESS.fields], {
      is_current: true,
    })
    const { page, id, inRow, previews } = await open({ sets: [gone] })
    expect(inRow('colour', 'row-error').text()).toBe('The item metadata has no such column.')
    expect(previews()).toHaveLength(0)
    await inRow('colour', 'use').setValue(false)
    await pass(PAUSE_MS)
    expect(previews()).toHaveLength(1)
    expect(id('features-save').attributes()).not.toHaveProperty('disabled')
    page.unmount()
  })
})

describe('200 columns', () => {
  const many = Array.from({ length: 200 }, (_, at) =>
    column(`column ${at + 1}`, { coverage: (at % 100) / 100 }),
  )
  const spec: FeatureSpec = {
    version: 1,
    fields: many.slice(0, 120).map((row) => ({ column: row.column, kind: 'category', weight: 1 })),
  }
  const answers: Answers = {
    'GET feature_sets/columns/': { item_meta_data: 8, n_items: 9, columns: many, spec },
  }

  it('are shown 50 at a time, and found', async () => {
    const { page, id } = await open({ answers })
    expect(shownColumns(page)).toHaveLength(50)
    await id('next-page').trigger('click')
    expect(shownColumns(page)[0]).toBe('column 51')
    await id('filter').setValue('column 19')
    expect(shownColumns(page)).toEqual(['column 19', ...many.slice(189, 199).map((row) => row.column)])
    await id('only-used').setValue(true)
    expect(shownColumns(page)).toEqual(['column 19'])
    await id('filter').setValue('nothing like it')
    expect(page.text()).toContain('No matching columns.')
    page.unmount()
  })

  it('a change keeps the order of the rows', async () => {
    const { page, id, inRow } = await open({ answers })
    await id('sort').setValue('coverage')
    const before = shownColumns(page)
    expect(before.slice(0, 2)).toEqual(['column 100', 'column 200'])
    await inRow('column 100', 'use').setValue(false)
    expect(shownColumns(page)).toEqual(before)
    page.unmount()
  })
})

describe('specs', () => {
  it('equal fields have equal JSON, whatever their order and defaults', () => {
    const one: Field = {
      column: 'a',
      kind: 'text',
      weight: 1,
      derive: [],
      options: { max_terms: 5, min_count: 2 },
    }
    const two: Field = { kind: 'text', column: 'a', options: { min_count: 2, max_terms: 5 } }
    expect(specText({ version: 1, fields: [one] })).toBe(specText({ version: 1, fields: [two] }))
    expect(trimmed({ column: 'a', kind: 'text', weight: 0.1 + 0.2 }).weight).toBe(0.3)
  })

  it('options of another kind are dropped with the kind', () => {
    const field: Field = { column: 'a', kind: 'time', options: { knots: 4, calendar: true } }
    expect(withKind(field, 'number').options).toEqual({ knots: 4 })
  })

  it('mistakes name the part they are about', () => {
    const columns = new Set(['a'])
    const field: Field = {
      column: 'a',
      kind: 'number',
      options: { knots: 17 },
      derive: [{ extract: { pattern: '' } }, { bucket: { width: 0 } }, { cross: { with: 'b' } }, 'log'],
    }
    expect(Object.keys(mistakesOf(field, columns))).toEqual(['knots', 'step-0', 'step-1', 'step-2'])
    expect(mistakesOf({ column: 'a', kind: 'text' }, columns)).toEqual({})
  })

  it('refusals name their column, however it is quoted', () => {
    expect(aboutColumn('column "a \\"b\\"": weight 0 is wrong')).toEqual({
      column: 'a "b"',
      text: 'Weight 0 is wrong',
    })
    expect(aboutColumn('Column "a" has no values')).toEqual({ column: 'a', text: 'Has no values' })
    expect(aboutColumn('The feature spec has no fields.')).toBeNull()
  })

  it('differences are added, removed and changed fields', () => {
    const before: FeatureSpec = {
      version: 1,
      fields: [
        { column: 'a', kind: 'text' },
        { column: 'b', kind: 'text' },
      ],
    }
    const after: FeatureSpec = {
      version: 1,
      fields: [
        { column: 'b', kind: 'category' },
        { column: 'c', kind: 'text' },
      ],
    }
    expect(changesBetween(before, after).map(({ sign, column }) => `${sign} ${column}`)).toEqual([
      'removed a',
      'changed b',
      'added c',
    ])
    expect(changesBetween(before, before)).toEqual([])
  })
})

it('a model says with which version it was trained', () => {
  i18n.global.locale.value = 'en'
  const model = { id: 1, data_loc: 9, lineage: { feature_set: { id: 42, name: 'Films', version: 2 } } }
  const lineage = mount(ModelLineage, {
    props: { model: model as never, projectId: 3 },
    global: { plugins: [i18n], stubs: { RouterLink: RouterLinkStub } },
  })
  expect(lineage.get('[data-testid="model-features"]').text()).toBe('“Films” version 2')
})

it('a model says what its training left out', () => {
  const note = 'column "price": id "i3" has "ask", which is not a number'
  const model = { id: 1, data_loc: 9, lineage: { warnings: [`${note}; this value is left out`] } }
  const shown = (locale: 'en' | 'ja') => {
    i18n.global.locale.value = locale
    return mount(ModelLineage, {
      props: { model: model as never, projectId: 3 },
      global: { plugins: [i18n], stubs: { RouterLink: RouterLinkStub } },
    })
      .get('[data-testid="model-warnings"]')
      .text()
  }
  expect(shown('en')).toBe(`${note}; this value is left out`)
  expect(shown('ja')).toBe(`${note}（この値は使われません）`)
  i18n.global.locale.value = 'en'
})
