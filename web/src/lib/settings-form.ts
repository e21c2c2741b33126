import type { EventCount, Project, ProjectSettings, TrainingData } from '@/api/types'

/** The largest weight that the server accepts. */
export const MAX_WEIGHT = 1e6
export const MIN_HALF_LIFE = 0.001
export const MAX_HALF_LIFE = 36_500

/** The largest share of places that the server reserves for new items, in per cent. */
export const MAX_NEW_ITEM_PERCENT = 30

/** The initial value of the half-life field: a season. */
const USUAL_HALF_LIFE = 90

export interface EventRow {
  name: string
  weight: number | null
}

/** The fields of the settings page: texts as typed, and a half-life that is kept while it is switched off. */
export interface SettingsForm {
  name: string
  user_column: string
  item_column: string
  time_column: string
  event_column: string
  title_column: string
  image_column: string
  weights: EventRow[]
  fades: boolean
  halfLife: number | null
  unknown_user: Project['unknown_user']
  logging: Logging
  /** The percentage of lists, while `logging` is `share`. */
  loggedPercent: number | null
  newItemPercent: number | null
}

/** When lists are logged: while a shadow slot is active, always a share of them, or never. */
export const LOGGING = ['auto', 'share', 'never'] as const
export type Logging = (typeof LOGGING)[number]

export const settingsForm = (project: Project): SettingsForm => ({
  name: project.name,
  user_column: project.user_column,
  item_column: project.item_column,
  time_column: project.time_column ?? '',
  event_column: project.event_column ?? '',
  title_column: project.title_column ?? '',
  image_column: project.image_column ?? '',
  weights: Object.entries(project.event_weights).map(([name, weight]) => ({ name, weight })),
  fades: project.half_life_days !== null,
  halfLife: project.half_life_days ?? USUAL_HALF_LIFE,
  unknown_user: project.unknown_user,
  logging: project.logged_share === null ? 'auto' : project.logged_share === 0 ? 'never' : 'share',
  loggedPercent: percentOf(project.logged_share || 1),
  newItemPercent: percentOf(project.new_item_share ?? 0),
})

const percentOf = (share: number) => Number((share * 100).toFixed(3))

function loggedShare(form: SettingsForm): number | null {
  if (form.logging === 'auto') return null
  return form.logging === 'never' ? 0 : (form.loggedPercent ?? 0) / 100
}

/** Converts the form to the server's fields. A missing number is a mistake (below), which prevents sending it. */
function settingsOf(form: SettingsForm): ProjectSettings {
  return {
    name: form.name.trim(),
    user_column: form.user_column.trim(),
    item_column: form.item_column.trim(),
    time_column: form.time_column.trim() || null,
    event_column: form.event_column.trim() || null,
    title_column: form.title_column.trim() || null,
    image_column: form.image_column.trim() || null,
    event_weights: Object.fromEntries(form.weights.map((row) => [row.name, row.weight as number])),
    half_life_days: form.fades ? form.halfLife : null,
    unknown_user: form.unknown_user,
    logged_share: loggedShare(form),
    new_item_share: (form.newItemPercent ?? 0) / 100,
  }
}

/** Returns the fields that differ from the saved ones, to be sent alone: other users may have changed the rest. */
export function changedSettings(project: Project, form: SettingsForm): Partial<ProjectSettings> {
  const before = settingsOf(settingsForm(project))
  const after = settingsOf(form)
  const keys = (Object.keys(after) as (keyof ProjectSettings)[]).filter(
    (key) => comparable(before[key]) !== comparable(after[key]),
  )
  // Switched on without a number: unsaved, and a mistake.
  if (form.fades && form.halfLife === null && !keys.includes('half_life_days')) keys.push('half_life_days')
  return Object.fromEntries(keys.map((key) => [key, after[key]]))
}

/** Returns equal texts for equal values, in any order of the event types. */
const comparable = (value: ProjectSettings[keyof ProjectSettings]) =>
  JSON.stringify(
    value !== null && typeof value === 'object'
      ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
      : value,
  )

export interface Mistakes {
  /** Message keys by the server's name of the field. */
  fields: Partial<Record<keyof ProjectSettings, string>>
  /** Message keys by event type. */
  weights: Map<string, string>
}

/** Returns the mistakes that can be found without the server. */
export function mistakesIn(form: SettingsForm): Mistakes {
  const fields: Mistakes['fields'] = {}
  for (const field of ['name', 'user_column', 'item_column'] as const) {
    if (form[field].trim() === '') fields[field] = 'errors.required'
  }
  const weights = new Map<string, string>()
  for (const { name, weight } of form.weights) {
    if (weight === null) weights.set(name, 'errors.required')
    else if (!(weight >= 0 && weight <= MAX_WEIGHT)) weights.set(name, 'settings.weightRange')
  }
  if (form.weights.length > 0 && form.weights.every((row) => row.weight === 0))
    fields.event_weights = 'settings.allZero'
  if (form.fades && form.halfLife === null) fields.half_life_days = 'errors.required'
  else if (form.fades && !inRange(form.halfLife)) fields.half_life_days = 'settings.halfLifeRange'
  if (
    form.logging === 'share' &&
    !(form.loggedPercent !== null && form.loggedPercent > 0 && form.loggedPercent <= 100)
  )
    fields.logged_share = 'settings.logRange'
  const { newItemPercent } = form
  if (!(newItemPercent !== null && newItemPercent >= 0 && newItemPercent <= MAX_NEW_ITEM_PERCENT))
    fields.new_item_share = 'settings.newItemsRange'
  return { fields, weights }
}

const inRange = (days: number | null) => days !== null && days >= MIN_HALF_LIFE && days <= MAX_HALF_LIFE
export const isHalfLife = (days: number | null): days is number => inRange(days)

/** Returns the event types of all uploads together, most rows first. */
export function eventsIn(uploads: TrainingData[]): EventCount[] {
  const rows = new Map<string, number>()
  for (const event of uploads.flatMap((upload) => upload.report?.events ?? [])) {
    rows.set(event.name, (rows.get(event.name) ?? 0) + event.rows)
  }
  return [...rows].map(([name, count]) => ({ name, rows: count })).sort((a, b) => b.rows - a.rows)
}

/** Returns the step of a weight's field: fine for small weights, coarse for large ones. */
export function weightStep(weight: number | null): number {
  if (weight === null || weight <= 1) return 0.1
  return weight < 10 ? 0.5 : 10 ** (Math.floor(Math.log10(weight)) - 1)
}
