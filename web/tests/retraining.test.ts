import { afterEach, describe, expect, it, vi } from 'vitest'
import { isCron, readCron, weekdays, writeCron } from '@/lib/cron'
import RetrainingPage from '@/pages/RetrainingPage.vue'
import { ADMIN, list, openPage, settle } from './support'
import { common } from './traffic-fixtures'

afterEach(() => vi.unstubAllGlobals())

describe('the rhythm', () => {
  it.each([
    ['0 */6 * * *', { rhythm: 'hours', hours: 6 }],
    ['0 * * * *', { rhythm: 'hours', hours: 1 }],
    ['30 4 * * *', { rhythm: 'daily', time: '04:30' }],
    ['0 3 * * 1', { rhythm: 'weekly', time: '03:00', weekday: 1 }],
    ['5 23 31 * *', { rhythm: 'monthly', time: '23:05', day: 31 }],
  ])('%s is read and written the same', (text, expected) => {
    expect(readCron(text)).toMatchObject(expected)
    expect(writeCron(readCron(text))).toBe(text)
  })

  it('everything else stays as it was typed', () => {
    for (const text of ['*/15 9-17 * * 1-5', '0 3 1 1 *', '0 */5 * * *', '99 99 * * *', '0 3 1 * 1']) {
      expect(readCron(text).rhythm, text).toBe('custom')
      expect(writeCron(readCron(`  ${text} `))).toBe(text)
    }
    expect(readCron('0 3 * * 7')).toMatchObject({ rhythm: 'weekly', weekday: 0 })
  })

  it('that cannot be one is noticed', () => {
    expect(isCron('0 3 * * 1')).toBe(true)
    for (const text of ['', '0 3 * *', '0 3 * * 1 2', 'every monday at 3 ü x'])
      expect(isCron(text), text).toBe(false)
    expect(weekdays('en').map((day) => day.label)[0]).toBe('Sunday')
  })
})

const SCHEDULE = {
  id: 6,
  project: 3,
  is_enabled: true,
  cron_expression: '0 3 * * 1',
  time_zone: 'Asia/Tokyo',
  training_data: null,
  model_configuration: 8,
  retune: false,
  split_config: null,
  evaluation_config: null,
  max_retries: 3,
  notify_on_failure: true,
  auto_deploy: false,
  catch_up: 'once',
  skip_unchanged: false,
  data_source: 'newest',
  event_types: [],
  last_run_at: null,
  last_run_status: null,
  next_run_at: '2026-11-22T18:00:00Z',
}

describe('retraining', () => {
  const open = (schedules: unknown[], answers = {}) =>
    openPage('retraining', RetrainingPage, {
      address: '/projects/3/retraining',
      user: ADMIN,
      answers: {
        ...common,
        'GET retraining_schedule/': list(schedules),
        'GET retraining_run/': list([]),
        'GET training_data/': list([]),
        'GET model_configuration/': list([
          { id: 8, name: 'Best', recommender_class_name: 'IALSRecommender' },
        ]),
        'GET parameter_tuning_job/': list([]),
        ...answers,
      },
    })

  it('shows the next run by the clock of the schedule, and saves only what changed', async () => {
    const { page, id, sent } = await open([SCHEDULE], {
      'PATCH retraining_schedule/6/': (body: object) => [200, { ...SCHEDULE, ...body }],
    })
    expect(id('next-run').text()).toMatch(/Nov 23, 2026, 3:00\sAM \(Asia\/Tokyo\)/)
    await id('cron-time').setValue('04:15')
    await page.get('[data-testid="schedule"]').trigger('submit')
    await settle()
    expect(sent).toEqual([
      { method: 'PATCH', url: 'retraining_schedule/6/', body: { cron_expression: '15 4 * * 1' } },
    ])
    expect(id('save-state').attributes('data-unsaved')).toBe('false')
    page.unmount()
  })

  it('compares before it deploys where that is wanted, and shows both figures of a run', async () => {
    const blocked = {
      id: 1,
      status: 'SKIPPED',
      trained_model: 9,
      tuning_job: null,
      error_message: 'Not deployed.',
      ins_datetime: '2026-01-01T00:00:00Z',
      completed_at: null,
      data_rows_at_trigger: 5,
      gate_metric: 'ndcg@20',
      new_score: 0.1,
      deployed_score: 0.25,
      deployed_model: 7,
      deployed_data: 4,
    }
    const { page, id, has, sent } = await open([{ ...SCHEDULE, gate_tolerance: null }], {
      'GET retraining_run/': list([blocked]),
      'PATCH retraining_schedule/6/': (body: object) => [200, { ...SCHEDULE, ...body }],
    })
    expect(id('gate-figures').text()).toBe(
      'ndcg@20: new 0.1000, deployed 0.2500The deployed model was trained on upload 4',
    )
    expect(has('gate')).toBe(false)
    await page.get('#auto-deploy').setValue(true)
    await page.get('#gate').setValue(true)
    await page.get('[data-testid="schedule"]').trigger('submit')
    await settle()
    expect(sent[0]?.body).toEqual({ auto_deploy: true, gate_tolerance: 0.02 })
    page.unmount()
  })

  it('learns from all uploads and from events where that is wanted', async () => {
    const { page, sent } = await open([SCHEDULE], {
      'PATCH retraining_schedule/6/': (body: object) => [200, { ...SCHEDULE, ...body }],
    })
    await page.get('#learn-purchase').setValue(true)
    await page.get('#learn-click').setValue(true)
    await page.get('[data-testid="schedule"]').trigger('submit')
    await settle()
    expect(sent[0]?.body).toEqual({ event_types: ['click', 'purchase'] })
    page.unmount()
  })

  it('puts a choice of events back without anything to save', async () => {
    const { page, id } = await open([{ ...SCHEDULE, event_types: ['click'] }])
    await page.get('#learn-click').setValue(false)
    expect(id('save-state').attributes('data-unsaved')).toBe('true')
    await page.get('#learn-click').setValue(true)
    expect(id('save-state').attributes('data-unsaved')).toBe('false')
    page.unmount()
  })

  it('begins a training with the last model where that is wanted and something is trained, not searched', async () => {
    const { page, sent } = await open([{ ...SCHEDULE, warm_start: false }], {
      'PATCH retraining_schedule/6/': (body: object) => [200, { ...SCHEDULE, ...body }],
    })
    await page.get('#warm-start').setValue(true)
    await page.get('[data-testid="schedule"]').trigger('submit')
    await settle()
    expect(sent[0]?.body).toEqual({ warm_start: true })
    await page.get('[data-testid="retune"] input').setValue(true)
    expect(page.find('#warm-start').exists()).toBe(false)
    page.unmount()
  })

  it('begins from nothing, and says what the server refuses at its field', async () => {
    const { page, id, has, sent } = await open([], {
      'POST retraining_schedule/': () => [400, { time_zone: ['Unknown.'] }],
    })
    expect(has('empty-state')).toBe(true)
    await id('begin-schedule').trigger('click')
    await settle()
    await page.get('[data-testid="schedule"]').trigger('submit')
    await settle()
    expect(sent[0]?.body).toMatchObject({
      project: 3,
      is_enabled: true,
      cron_expression: '0 3 * * 1',
      model_configuration: 8,
    })
    expect(page.get('#cron-zone-error').text()).toBe('Unknown.')
    page.unmount()
  })

  it('is switched off at once', async () => {
    const { page, id, sent } = await open([SCHEDULE], {
      'PATCH retraining_schedule/6/': (body: object) => [200, { ...SCHEDULE, ...body, next_run_at: null }],
    })
    await id('enabled').get('input').setValue(false)
    await settle()
    expect(sent).toEqual([{ method: 'PATCH', url: 'retraining_schedule/6/', body: { is_enabled: false } }])
    expect(id('next-run').text()).toBe('–')
    page.unmount()
  })

  it('needs something to train', async () => {
    const { page, id, sent } = await open([], { 'GET model_configuration/': list([]) })
    await id('begin-schedule').trigger('click')
    await settle()
    await page.get('[data-testid="schedule"]').trigger('submit')
    expect(page.get('#retraining-configuration-error').text()).toBe('Select a configuration to train.')
    expect(sent).toEqual([])
    page.unmount()
  })
})
