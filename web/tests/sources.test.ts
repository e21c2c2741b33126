import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '@/api/client'
import type { Connection, Entry, Source, SourceRun } from '@/api/sources'
import {
  addressOf,
  changesRecipient,
  connectionFields,
  connectionForm,
  settingFault,
  standingOf,
} from '@/lib/connections'
import {
  changedFields,
  draftOf,
  guessColumns,
  guessCursor,
  missingRoles,
  newDraft,
  patternLike,
  sourceFields,
  twiceUsed,
} from '@/lib/source-draft'
import { actionsOf, heightOf, qualityRows, topOf } from '@/lib/source-runs'
import SourceEditPage from '@/pages/SourceEditPage.vue'
import SourcePage from '@/pages/SourcePage.vue'
import SourcesPage from '@/pages/SourcesPage.vue'
import { ADMIN, list, MEMBER, openPage, settle, type Answers } from './support'
import { CONNECTION, ENTRIES, PROJECT, RUN, SOURCE, STEPS } from './source-fixtures'

afterEach(() => vi.unstubAllGlobals())

const reading: Answers = {
  'GET project/3/': PROJECT,
  'GET organisation/': list([{ id: 5, name: 'Books', role: 'owner', is_personal: false }]),
  'GET data_connection/': list([CONNECTION]),
  'GET data_source/': list([SOURCE]),
  'GET data_source/9/': SOURCE,
  'GET source_run/': list([RUN]),
  'GET source_run/41/': RUN,
  'GET retraining_schedule/': list([]),
}

describe('files of a source', () => {
  it('are named by a pattern that a file suggests', () => {
    expect(patternLike('events/dt=2026-11-30/p0.parquet')).toBe('events/dt={yyyy-mm-dd}/*.parquet')
    expect(patternLike('2026/11/30/a.csv.gz')).toBe('{yyyy/mm/dd}/*.csv.gz')
    expect(patternLike('part')).toBe('*')
  })

  it('are read when they are new', () => {
    const draft = {
      ...newDraft(),
      from: 'files' as const,
      pattern: ' a/*.csv ',
      columns: { user: 'u', item: 'i' },
    }
    const fields = sourceFields(draft, null)
    expect(fields.query).toEqual({
      files: { pattern: 'a/*.csv' },
      columns: { user: 'u', item: 'i' },
      aggregate: null,
    })
    expect([fields.mode, fields.cursor_column]).toEqual(['files', null])
  })
})

describe('the form of a connection', () => {
  it('sends only what concerns its kind, and a password only if one is entered', () => {
    const form = {
      ...connectionForm(null),
      name: ' Shop ',
      host: ' db.example.com ',
      database: 'shop',
      username: 'reader',
    }
    expect(connectionFields(form)).toEqual({
      name: 'Shop',
      kind: 'postgresql',
      settings: {
        host: 'db.example.com',
        port: 5432,
        database: 'shop',
        username: 'reader',
        tls: 'verify_full',
      },
    })
    const other = connectionFields({ ...form, kind: 'mysql', password: ' p ', tls: 'off', certificate: 'x' })
    expect(other.settings).toMatchObject({ time_zone: 'UTC', tls: 'off' })
    expect(other.settings).not.toHaveProperty('ca_certificate')
    expect(other.secret).toBe(' p ')
  })

  it('sends where files are', () => {
    const form = { ...connectionForm(null), name: 'Files', bucket: ' shop ', path: '/srv/in' }
    expect(connectionFields({ ...form, kind: 's3', accessKey: 'AKIA', password: 'p' })).toEqual({
      name: 'Files',
      kind: 's3',
      settings: { bucket: 'shop', region: 'us-east-1', access_key_id: 'AKIA', path_style: false },
      secret: 'p',
    })
    expect(connectionFields({ ...form, kind: 'folder' }).settings).toEqual({ path: '/srv/in' })
    const row = { ...CONNECTION, kind: 'http', settings: { url: 'https://a.example/' } } as Connection
    expect(changesRecipient(row, connectionForm(row))).toBe(false)
    expect(changesRecipient(row, { ...connectionForm(row), url: 'https://b.example/' })).toBe(true)
    expect(addressOf(row)).toBe('https://a.example/')
  })

  it('asks for the password again if it would go elsewhere', () => {
    const form = connectionForm(CONNECTION as Connection)
    expect(changesRecipient(CONNECTION as Connection, form)).toBe(false)
    expect(changesRecipient(CONNECTION as Connection, { ...form, database: 'other' })).toBe(false)
    for (const change of [
      { host: 'evil.example' },
      { port: 1 },
      { tls: 'off' as const },
      { certificate: 'x' },
    ])
      expect(changesRecipient(CONNECTION as Connection, { ...form, ...change }), JSON.stringify(change)).toBe(
        true,
      )
  })

  it('finds the setting that the server names', () => {
    const error = new ApiError(400, '', { settings: ['host: Enter a name or an address only.'] })
    expect(settingFault(error, 'host')).toBe('Enter a name or an address only.')
    expect(settingFault(error, 'port')).toBeUndefined()
  })

  it('says how a test went', () => {
    expect(standingOf(null)).toBe('untested')
    expect(standingOf(STEPS)).toBe('usable')
    expect(standingOf([...STEPS, { step: 'rights', state: 'warning', text: '' }])).toBe('warned')
    expect(standingOf([{ step: 'tls', state: 'failed', text: '' }])).toBe('unusable')
  })
})

describe('the draft of a source', () => {
  const entry = (name: string, data_type: string): Entry => ({
    ...(ENTRIES[0] as Entry),
    name,
    data_type,
  })
  it('guesses columns by their names and types', () => {
    const columns = [
      entry('id', 'bigint'),
      entry('customer_id', 'text'),
      entry('product_id', 'text'),
      entry('created_at', 'timestamp with time zone'),
      entry('event_type', 'text'),
    ]
    expect(guessColumns('interactions', columns)).toEqual({
      user: 'customer_id',
      item: 'product_id',
      time: 'created_at',
      event: 'event_type',
    })
    expect(guessColumns('items', [entry('id', 'bigint'), entry('title', 'text')])).toEqual({ item: 'id' })
    expect(guessColumns('interactions', [entry('a', 'text')])).toEqual({})
    expect(guessCursor(columns, 'created_at')).toBe('created_at')
    expect(guessCursor([entry('id', 'bigint'), entry('user', 'text')], undefined)).toBe('id')
    expect(guessCursor([entry('user', 'text')], undefined)).toBe('')
  })

  it('becomes the body that it was read from', () => {
    const source = SOURCE as unknown as Source
    const fields = sourceFields(draftOf(source), source.retraining_schedule)
    expect(changedFields(source, fields)).toEqual({})
    const other = sourceFields({ ...draftOf(source), settleMinutes: 2, minRows: 5 }, null)
    expect(changedFields(source, other)).toEqual({
      settle_seconds: 120,
      guards: { ...source.guards, min_rows: 5 },
    })
  })

  it('reads as a whole what is combined at the source or is about items', () => {
    const draft = { ...newDraft(), columns: { user: 'u', item: 'i' }, cursor: 'at', table: 'events' }
    expect(sourceFields(draft, null)).toMatchObject({ mode: 'incremental', cursor_column: 'at' })
    expect(sourceFields({ ...draft, pairs: true, lastDays: 30 }, null)).toMatchObject({
      mode: 'snapshot',
      cursor_column: null,
      query: { aggregate: { pairs: true, last_days: 30 } },
    })
    const items = sourceFields({ ...draft, target: 'items', pairs: true }, null)
    expect(items).toMatchObject({ mode: 'snapshot', query: { columns: { item: 'i' }, aggregate: null } })
  })

  it('says which columns are missing or have two meanings', () => {
    const project = { time_column: 'at', event_column: null }
    const draft = { ...newDraft(), columns: { user: 'u', item: 'u' } }
    expect(missingRoles(draft, project)).toEqual(['time'])
    expect(missingRoles(draft, { time_column: null, event_column: 'e' })).toEqual(['event'])
    expect(twiceUsed(draft)).toEqual(['u'])
  })
})

describe('runs of a source', () => {
  it('stand out where they differ from the median', () => {
    const report = {
      compared: [
        { measure: 'rows', value: 50, median: 100 },
        { measure: 'users', value: 90, median: 100 },
        { measure: 'null_percent', value: 7, median: 1 },
        { measure: 'items', value: 3, median: null },
      ],
    } as unknown as SourceRun['report']
    expect(qualityRows(report).map(({ change, stands }) => [change, stands])).toEqual([
      [-0.5, true],
      [expect.closeTo(-0.1), false],
      [6, true],
      [null, false],
    ])
    expect(qualityRows(null)).toEqual([])
  })

  it('are drawn by their rows; one that reads everything does not flatten the others', () => {
    const rows = (...counts: number[]) => counts.map((rows_read) => ({ rows_read }))
    expect(topOf(rows(100, 120, 90, 110, 1_000_000))).toBe(120)
    expect(topOf(rows(2, 600)), 'two runs do not say what is usual').toBe(600)
    expect(topOf(rows(100, 390))).toBe(390)
    expect(topOf(rows(0))).toBe(1)
    expect(heightOf({ rows_read: 1_000_000 }, 120)).toBe(1)
    expect(heightOf({ rows_read: 60 }, 120)).toBe(0.5)
    expect(heightOf({ rows_read: 0 }, 120)).toBeLessThan(heightOf({ rows_read: 1 }, 120))
  })

  it('allow what their state allows', () => {
    expect(actionsOf('held')).toEqual(['accept', 'discard'])
    expect(actionsOf('running')).toEqual(['cancel'])
    expect(actionsOf('failed')).toEqual(['retry'])
    expect(actionsOf('succeeded')).toEqual([])
  })
})

describe('the page of sources', () => {
  const open = (changes: Answers = {}, user = ADMIN) =>
    openPage('sources', SourcesPage, {
      address: '/projects/3/sources',
      user,
      answers: { ...reading, ...changes },
    })

  it('shows connections with their last test, and sources that wait for a decision first', async () => {
    const other = { ...SOURCE, id: 10, name: 'A', last_run: null }
    const { page, id } = await open({ 'GET data_source/': list([other, SOURCE]) })
    expect(id('connection-card').attributes('data-standing')).toBe('usable')
    expect(id('connection-card').text()).toContain('db.example.com:5432/shop')
    expect(page.findAll('[data-testid="source-link"]').map((row) => row.text())).toEqual([SOURCE.name, 'A'])
    expect(id('source-row').text()).toContain('Held')
    page.unmount()
  })

  it('makes a connection, tests it, and tests it again after a change', async () => {
    const answers: boolean[] = [false, true]
    const { page, id, sent } = await open({
      'GET data_connection/': list([]),
      'POST data_connection/': (body: object) => [201, { ...CONNECTION, ...body, secret: CONNECTION.secret }],
      'PATCH data_connection/1/': (body: object) => [
        200,
        { ...CONNECTION, ...body, secret: CONNECTION.secret },
      ],
      'POST data_connection/1/test/': () => {
        const isUsable = answers.shift()
        const steps = isUsable ? STEPS : [{ step: 'log_in', state: 'failed', text: 'The log-in failed.' }]
        return [200, { is_usable: isUsable, steps }]
      },
    })
    await id('new-connection').trigger('click')
    await settle()
    await page.get('form').trigger('submit')
    await settle()
    expect(sent, 'nothing is sent with mistakes').toEqual([])
    for (const [field, value] of [
      ['name', 'Shop'],
      ['host', 'db.example.com'],
      ['database', 'shop'],
      ['user', 'reader'],
      ['password', 'hush'],
    ] as const)
      await id(`connection-${field}`).setValue(value)
    await page.get('form').trigger('submit')
    await settle()
    expect(sent[0]?.body).toMatchObject({ organisation: 5, kind: 'postgresql', secret: 'hush' })
    expect(id('test-result').attributes('data-standing')).toBe('unusable')
    expect(id('test-step').text()).toContain('The log-in failed.')
    const password = id('connection-password').element as HTMLInputElement
    expect(password.value, 'a password that was sent is not kept').toBe('')
    await id('connection-user').setValue('reader2')
    await page.get('form').trigger('submit')
    await settle()
    expect(sent[2]).toMatchObject({ method: 'PATCH', url: 'data_connection/1/' })
    expect(sent[2]?.body).not.toHaveProperty('secret')
    expect(id('test-result').attributes('data-standing')).toBe('usable')
    expect(page.find('[data-testid="connection-done"]').exists()).toBe(true)
    page.unmount()
  })

  it('offers nothing to viewers that they may not do', async () => {
    const as = (role: string) => ({
      'GET organisation/': list([{ id: 5, name: 'Books', role, is_personal: false }]),
    })
    const viewer = await open(as('viewer'), MEMBER)
    for (const button of ['new-source', 'new-connection', 'connection-test', 'connection-actions'])
      expect(viewer.has(button), button).toBe(false)
    expect(viewer.has('source-row')).toBe(true)
    viewer.page.unmount()
    const editor = await open(as('editor'), MEMBER)
    expect(editor.has('new-source') && editor.has('connection-test')).toBe(true)
    expect(editor.has('new-connection')).toBe(false)
    editor.page.unmount()
  })
})

describe('a new source', () => {
  it('is made in four steps', async () => {
    const tables = Array.from({ length: 5_000 }, (_, at) => ({
      ...(ENTRIES[0] as Entry),
      name: at === 4_321 ? 'events' : `t${at}`,
      kind: 'table',
      rows: at,
    }))
    const { page, id, sent, router } = await openPage('source-new', SourceEditPage, {
      address: '/projects/3/sources/new',
      user: ADMIN,
      answers: {
        ...reading,
        'GET data_connection/1/browse/': {
          path: '',
          entries: [{ ...ENTRIES[0], name: 'public', kind: 'schema' }],
        },
        'GET data_connection/1/sample/': { columns: ['customer_id'], rows: [['c1']] },
        'POST data_source/': (body: object) => [201, { ...SOURCE, ...body, id: 12 }],
      },
    })
    const original = globalThis.fetch
    vi.stubGlobal('fetch', (address: string, init: RequestInit) => {
      const path = new URL(address, 'http://x').searchParams.get('path')
      if (!address.includes('/browse/') || !path) return original(address, init)
      const entries = path === 'public' ? tables : ENTRIES
      return Promise.resolve(new Response(JSON.stringify({ path, entries })))
    })
    // The only connection is chosen already.
    await page.get('form').trigger('submit')
    await settle()
    expect(page.findAll('[data-testid="table-row"]')).toHaveLength(50)
    expect(id('table-range').text()).toContain('5,000')
    await id('find-table').setValue('event')
    await id('table-row').trigger('click')
    await page.get('form').trigger('submit')
    await settle()
    const roles = page.findAll('[data-testid="column-row"]').map((row) => row.attributes('data-role'))
    expect(roles).toEqual(['', 'user', 'item', 'time'])
    expect((id('source-cursor').element as HTMLSelectElement).value).toBe('created_at')
    await page.get('form').trigger('submit')
    await settle()
    expect((id('source-name').element as HTMLInputElement).value).toBe('events')
    expect(page.text()).toContain('This project has no retraining schedule yet.')
    await page.get('form').trigger('submit')
    await settle()
    expect(sent[0]?.body).toMatchObject({
      project: 3,
      connection: 1,
      name: 'events',
      target: 'interactions',
      query: {
        table: 'public.events',
        columns: { user: 'customer_id', item: 'product_id', time: 'created_at' },
      },
      mode: 'incremental',
      cursor_column: 'created_at',
      settle_seconds: 600,
      then: 'nothing',
    })
    expect(router.currentRoute.value.path).toBe('/projects/3/sources/12')
    page.unmount()
  })
})

describe('a source', () => {
  const open = (changes: Answers = {}, user = ADMIN) =>
    openPage('source', SourcePage, {
      address: '/projects/3/sources/9',
      user,
      answers: { ...reading, ...changes },
    })

  it('shows why a run is held, and accepts it', async () => {
    const { page, id, sent } = await open({ 'POST source_run/41/accept/': { ...RUN, state: 'succeeded' } })
    expect(id('source-run').attributes('data-state')).toBe('held')
    expect(id('run-problems').text()).toContain('9120 rows came')
    expect(id('quality-row').text()).toMatch(/Rows.*9,120.*43,100.*-78\.8%.*fewer.*unusual/s)
    expect(page.findAll('[data-testid="source-stage"]').map((row) => row.attributes('data-look'))).toEqual([
      'done',
      'held',
    ])
    await id('run-accept').trigger('click')
    await settle()
    expect(sent).toEqual([{ method: 'POST', url: 'source_run/41/accept/', body: undefined }])
    page.unmount()
  })

  it('chooses runs by arrow keys, and keeps the choice in the address', async () => {
    const before = { ...RUN, id: 40, state: 'failed', problems: [], error: 'The server did not answer.' }
    const { page, id, router } = await open({
      'GET source_run/': list([RUN, before]),
      'GET source_run/40/': before,
    })
    const bars = page.findAll('[data-testid="run-bar"]')
    expect(bars.map((bar) => bar.attributes('data-state'))).toEqual(['failed', 'held'])
    expect(bars[1]?.attributes('aria-label')).toMatch(/^Held, .* 9,120 rows\. rows from .* took 5\.5 s$/)
    await bars[1]?.trigger('keydown', { key: 'ArrowLeft' })
    await settle()
    expect(router.currentRoute.value.query).toEqual({ run: '40' })
    expect(id('run-error').text()).toContain('The server did not answer.')
    page.unmount()
  })

  it('is tried out before its first run', async () => {
    const { page, id, sent } = await open({
      'GET source_run/': list([]),
      'POST data_source/9/dry_run/': {
        estimate: { rows: 812_345, bytes: 1_000 },
        rows_read: 10_000,
        report: {
          rows_total: 10_000,
          rows_kept: 9_983,
          rejected: 17,
          users: 4,
          items: 3,
          density: 0.5,
          duplicates: 0,
          blank_ids: 0,
          time_min: null,
          time_max: null,
          rejected_examples: [],
        },
      },
    })
    await id('dry-run').trigger('click')
    await settle()
    expect(id('dry-run-result').text()).toMatch(/812,345.*10,000.*9,983.*17/s)
    expect(id('report-users').text()).toContain('4')
    expect(sent.map(({ url }) => url)).toEqual(['data_source/9/dry_run/'])
    page.unmount()
  })

  it('is only shown to viewers', async () => {
    const { page, has } = await open(
      { 'GET organisation/': list([{ id: 5, name: 'Books', role: 'viewer', is_personal: false }]) },
      MEMBER,
    )
    for (const button of ['run-now', 'source-actions', 'run-accept', 'dry-run'])
      expect(has(button), button).toBe(false)
    expect(has('run-problems')).toBe(true)
    page.unmount()
  })
})
