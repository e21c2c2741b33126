import { describe, expect, it } from 'vitest'
import type { Project, TrainingData } from '@/api/types'
import {
  changedSettings,
  eventsIn,
  mistakesIn,
  settingsForm,
  weightStep,
  type SettingsForm,
} from '@/lib/settings-form'

const project: Project = {
  id: 1,
  owner: 1,
  name: 'Shop',
  user_column: 'user_id',
  item_column: 'item_id',
  time_column: 'time',
  event_column: null,
  title_column: null,
  image_column: null,
  event_weights: { view: 0.2, purchase: 5 },
  half_life_days: null,
  new_item_share: 0,
  warnings: [],
  unknown_user: 'fallback',
  logged_share: null,
  organisation: 1,
  ins_datetime: '2026-11-21T06:00:00Z',
  updated_at: '2026-11-21T06:00:00Z',
}
const edited = (change: Partial<SettingsForm>): SettingsForm => ({ ...settingsForm(project), ...change })

describe('unsaved changes', () => {
  it('are none at first, nor by order, nor by blanks around a name', () => {
    expect(changedSettings(project, settingsForm(project))).toEqual({})
    expect(
      changedSettings(
        project,
        edited({
          weights: [
            { name: 'purchase', weight: 5 },
            { name: 'view', weight: 0.2 },
          ],
          name: ' Shop ',
        }),
      ),
    ).toEqual({})
  })

  it('are sent alone', () => {
    expect(changedSettings(project, edited({ event_column: ' event ', time_column: ' ' }))).toEqual({
      event_column: 'event',
      time_column: null,
    })
    const shown = { ...project, title_column: 'headline' }
    expect(settingsForm(shown)).toMatchObject({ title_column: 'headline', image_column: '' })
    expect(
      changedSettings(shown, { ...settingsForm(shown), title_column: '', image_column: ' pic ' }),
    ).toEqual({ title_column: null, image_column: 'pic' })
    expect(changedSettings(project, edited({ weights: [{ name: 'view', weight: 1 }] }))).toEqual({
      event_weights: { view: 1 },
    })
    expect(changedSettings(project, edited({ weights: [] }))).toEqual({ event_weights: {} })
  })

  it('know when lists are logged', () => {
    expect(changedSettings(project, edited({ logging: 'never' }))).toEqual({ logged_share: 0 })
    expect(changedSettings(project, edited({ logging: 'share', loggedPercent: 7 }))).toEqual({
      logged_share: 0.07,
    })
    expect(settingsForm({ ...project, logged_share: 0.07 })).toMatchObject({
      logging: 'share',
      loggedPercent: 7,
    })
    expect(settingsForm({ ...project, logged_share: 0 }).logging).toBe('never')
    for (const loggedPercent of [null, 0, 101])
      expect(mistakesIn(edited({ logging: 'share', loggedPercent })).fields).toEqual({
        logged_share: 'settings.logRange',
      })
  })

  it('know the share of places for new items', () => {
    expect(settingsForm(project).newItemPercent).toBe(0)
    expect(settingsForm({ ...project, new_item_share: 0.07 }).newItemPercent).toBe(7)
    expect(changedSettings({ ...project, new_item_share: 0.07 }, edited({ newItemPercent: 7 }))).toEqual({})
    expect(changedSettings(project, edited({ newItemPercent: 10 }))).toEqual({ new_item_share: 0.1 })
    for (const newItemPercent of [null, -1, 31])
      expect(mistakesIn(edited({ newItemPercent })).fields).toEqual({
        new_item_share: 'settings.newItemsRange',
      })
    expect(mistakesIn(edited({ newItemPercent: 30 })).fields).toEqual({})
  })

  it('keep whatever a type is called', () => {
    const weights = [
      { name: '__proto__', weight: 2 },
      { name: ' a/b ', weight: 3 },
    ]
    expect(JSON.stringify(changedSettings(project, edited({ weights })))).toBe(
      '{"event_weights":{"__proto__":2," a/b ":3}}',
    )
  })

  it('know a half-life that is switched on, off, and on without a number', () => {
    expect(changedSettings(project, edited({ fades: true, halfLife: 30 }))).toEqual({ half_life_days: 30 })
    expect(
      changedSettings({ ...project, half_life_days: 30 }, edited({ fades: false, halfLife: 30 })),
    ).toEqual({ half_life_days: null })
    expect(Object.keys(changedSettings(project, edited({ fades: true, halfLife: null })))).toEqual([
      'half_life_days',
    ])
    expect(changedSettings(project, edited({ halfLife: 7 }))).toEqual({})
  })
})

describe('mistakes', () => {
  it('are none in what the server sent', () => {
    expect(mistakesIn(settingsForm(project))).toEqual({ fields: {}, weights: new Map() })
  })

  it('are blank names, missing and impossible weights', () => {
    const { fields, weights } = mistakesIn(
      edited({
        name: ' ',
        weights: [
          { name: 'a', weight: null },
          { name: 'b', weight: 1e6 + 1 },
          { name: 'c', weight: 1e6 },
        ],
      }),
    )
    expect(fields).toEqual({ name: 'errors.required' })
    expect([...weights]).toEqual([
      ['a', 'errors.required'],
      ['b', 'settings.weightRange'],
    ])
  })

  it('are weights that leave nothing', () => {
    expect(mistakesIn(edited({ weights: [{ name: 'a', weight: 0 }] })).fields.event_weights).toBe(
      'settings.allZero',
    )
    expect(mistakesIn(edited({ weights: [] })).fields.event_weights).toBeUndefined()
  })

  it('are half-lives out of range, only while they count', () => {
    expect(mistakesIn(edited({ fades: true, halfLife: 0 })).fields.half_life_days).toBe(
      'settings.halfLifeRange',
    )
    expect(mistakesIn(edited({ fades: true, halfLife: null })).fields.half_life_days).toBe('errors.required')
    expect(mistakesIn(edited({ fades: false, halfLife: 0 })).fields.half_life_days).toBeUndefined()
  })
})

describe('types of events', () => {
  it('are those of all uploads, most rows first', () => {
    const upload = (events?: { name: string; rows: number }[]) => ({ report: { events } }) as TrainingData
    const uploads = [
      upload([
        { name: 'view', rows: 5 },
        { name: 'buy', rows: 2 },
      ]),
      upload(),
      upload([{ name: 'buy', rows: 9 }]),
      { report: null } as TrainingData,
    ]
    expect(eventsIn(uploads)).toEqual([
      { name: 'buy', rows: 11 },
      { name: 'view', rows: 5 },
    ])
  })

  it('are weighed in steps that suit their size', () => {
    expect([null, 0, 0.5, 1, 1.5, 9, 10, 250, 4000].map(weightStep)).toEqual([
      0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 1, 10, 100,
    ])
  })
})
