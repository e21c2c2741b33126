import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Destination } from '@/api/destinations'
import { destinationFields, destinationForm } from '@/lib/destination-form'
import DestinationPage from '@/pages/DestinationPage.vue'
import DestinationsPage from '@/pages/DestinationsPage.vue'
import { ADMIN, list, MEMBER, openPage, settle, type Answers } from './support'
import { PROJECT } from './source-fixtures'

afterEach(() => vi.unstubAllGlobals())

const DESTINATION = {
  id: 4,
  project: 3,
  name: 'Newsletter',
  lists: 'users',
  model: null,
  slot: 2,
  cutoff: 20,
  exclude_seen: true,
  diversity: 0.2,
  format: 'parquet',
  connection: null,
  target: null,
  cron_expression: '0 5 * * *',
  time_zone: 'UTC',
  is_enabled: true,
  next_run_at: '2026-12-01T05:00:00Z',
  last_run: null,
  ins_datetime: '2026-11-01T00:00:00Z',
  updated_at: '2026-11-01T00:00:00Z',
}
const DELIVERY = {
  id: 7,
  destination: 4,
  project: 3,
  cause: 'schedule',
  state: 'succeeded',
  progress: 1,
  lists: 943,
  rows: 18_860,
  bytes: 412_345,
  format: 'parquet',
  stage: 'computing',
  target: null,
  has_file: true,
  model: 8,
  error: null,
  ins_datetime: '2026-11-30T05:00:00Z',
  started_at: '2026-11-30T05:00:01Z',
  finished_at: '2026-11-30T05:00:09Z',
}
const reading: Answers = {
  'GET project/3/': PROJECT,
  'GET data_connection/': list([{ id: 6, name: 'Shop database', organisation: 5, kind: 'postgresql' }]),
  'GET organisation/': list([{ id: 5, name: 'Books', role: 'owner', is_personal: false }]),
  'GET destination/': list([DESTINATION]),
  'GET destination/4/': DESTINATION,
  'GET delivery/': list([DELIVERY]),
  'GET trained_model/': list([{ id: 8, status: 'COMPLETED', ins_datetime: '2026-11-01T00:00:00Z' }]),
  'GET deployment_slot/': list([{ id: 2, name: 'Front page', is_active: true }]),
}

describe('the form of a destination', () => {
  it('becomes the body that it was read from', () => {
    const row = DESTINATION as unknown as Destination
    const fields = destinationFields(destinationForm(row))
    for (const [name, value] of Object.entries(fields))
      expect(value, name).toEqual(row[name as keyof Destination])
  })
})

describe('the page of destinations', () => {
  it('makes one with a slot and a file, and leads to it', async () => {
    const { page, id, sent, router } = await openPage('destinations', DestinationsPage, {
      address: '/projects/3/destinations',
      user: ADMIN,
      answers: {
        ...reading,
        'GET destination/': list([]),
        'POST destination/': (body: object) => [201, { ...DESTINATION, ...body }],
      },
    })
    await id('new-destination').trigger('click')
    await settle()
    await page.get('form').trigger('submit')
    await settle()
    expect(sent).toEqual([])
    await id('destination-name').setValue('Newsletter')
    await page.get('form').trigger('submit')
    await settle()
    expect(sent[0]?.body).toMatchObject({
      project: 3,
      name: 'Newsletter',
      lists: 'users',
      slot: 2,
      model: null,
      cutoff: 20,
      exclude_seen: true,
      diversity: 0,
      format: 'parquet',
      cron_expression: null,
    })
    expect(router.currentRoute.value.path).toBe('/projects/3/destinations/4')
    page.unmount()
  })

  it('makes one that goes to a table of a connection', async () => {
    const { page, id, sent } = await openPage('destinations', DestinationsPage, {
      address: '/projects/3/destinations',
      user: ADMIN,
      answers: {
        ...reading,
        'GET destination/': list([]),
        'POST destination/': (body: object) => [201, { ...DESTINATION, ...body }],
      },
    })
    await id('new-destination').trigger('click')
    await settle()
    await id('destination-name').setValue('Shop')
    await id('to-table').get('input').setValue(true)
    await settle()
    await id('destination-table').setValue('lists')
    await page.get('form').trigger('submit')
    await settle()
    expect(sent).toEqual([])
    await id('destination-table').setValue(' public.lists ')
    await page.get('form').trigger('submit')
    await settle()
    expect(sent[0]?.body).toMatchObject({ connection: 6, target: { table: 'public.lists' } })
    page.unmount()
  })

  it('teaches what comes first where there is no model', async () => {
    const { page, has } = await openPage('destinations', DestinationsPage, {
      address: '/projects/3/destinations',
      user: ADMIN,
      answers: { ...reading, 'GET destination/': list([]), 'GET trained_model/': list([]) },
    })
    expect(page.text()).toContain('Train a model first')
    expect(has('new-destination')).toBe(false)
    page.unmount()
  })
})

describe('a destination', () => {
  const open = (rows: object[], changes: Answers = {}, user = ADMIN) =>
    openPage('destination', DestinationPage, {
      address: '/projects/3/destinations/4',
      user,
      answers: { ...reading, 'GET delivery/': list(rows), ...changes },
    })

  it('offers the file of a run that succeeded, while it is kept', async () => {
    const { page, id } = await open([DELIVERY, { ...DELIVERY, id: 6, has_file: false }])
    expect(id('delivery-download').attributes('href')).toBe('/api/v1/delivery/7/download/')
    expect(page.findAll('[data-testid="delivery-download"]')).toHaveLength(1)
    expect(page.text()).toContain('File removed')
    expect(id('delivery-row').text()).toMatch(/943.*18,860.*412\.3 kB.*8\.0 s/s)
    page.unmount()
  })

  it('says what a run to a table does, and offers no file of it', async () => {
    const sent = { ...DELIVERY, target: { table: 'public.lists' }, has_file: false, stage: 'sending' }
    const { page, id, has } = await open([{ ...sent, id: 8, state: 'running', progress: 0.5 }, sent], {
      'GET destination/4/': { ...DESTINATION, connection: 6, target: { table: 'public.lists' } },
    })
    expect(id('delivery-row').text()).toContain('Sending lists')
    expect(id('destination-goes-to').text()).toBe('public.lists')
    expect(has('delivery-download')).toBe(false)
    expect(page.text()).not.toContain('File removed')
    page.unmount()
  })

  it('cancels a run, and runs one again that failed', async () => {
    const running = { ...DELIVERY, state: 'running', progress: 0.43, has_file: false, finished_at: null }
    const failed = { ...DELIVERY, id: 6, state: 'failed', has_file: false, error: 'The disk is full.' }
    const { page, id, sent } = await open([running, failed], {
      'POST delivery/7/cancel/': { ...running, state: 'cancelled' },
      'POST delivery/6/retry/': { ...failed, state: 'queued' },
    })
    expect(id('delivery-row').text()).toContain('43%')
    expect(id('delivery-error').text()).toBe('The disk is full.')
    await id('delivery-cancel').trigger('click')
    await id('delivery-retry').trigger('click')
    await settle()
    expect(sent.map(({ url }) => url)).toEqual(['delivery/7/cancel/', 'delivery/6/retry/'])
    page.unmount()
  })

  it('is downloaded, and not changed, by viewers', async () => {
    const { page, has } = await open(
      [DELIVERY],
      { 'GET organisation/': list([{ id: 5, name: 'Books', role: 'viewer', is_personal: false }]) },
      MEMBER,
    )
    expect(has('delivery-download')).toBe(true)
    for (const button of ['run-destination', 'destination-actions']) expect(has(button), button).toBe(false)
    page.unmount()
  })
})
