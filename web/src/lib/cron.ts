/** The usual rhythms of a form; everything else as the five fields of cron. */
export type Rhythm = 'hours' | 'daily' | 'weekly' | 'monthly' | 'custom'

export interface CronForm {
  rhythm: Rhythm
  /** `HH:MM`, for all but the hourly one. */
  time: string
  /** The number of hours between two runs of the hourly rhythm. */
  hours: number
  /** 0 is Sunday. */
  weekday: number
  day: number
  /** The text of the field for experts. */
  text: string
}

export const HOURS = [1, 2, 3, 4, 6, 8, 12]
const DEFAULTS: CronForm = { rhythm: 'custom', time: '03:00', hours: 6, weekday: 1, day: 1, text: '' }

const whole = (field: string, low: number, high: number) =>
  /^\d{1,2}$/.test(field) && Number(field) >= low && Number(field) <= high ? Number(field) : null
const pad = (value: number) => String(value).padStart(2, '0')

export function readCron(expression: string): CronForm {
  const text = expression.trim()
  const form = { ...DEFAULTS, text }
  const [minute, hour, day, month, weekday, ...rest] = text.split(/\s+/)
  if (!minute || !hour || !day || !month || !weekday || rest.length > 0 || month !== '*') return form
  const step = /^\*\/(\d+)$/.exec(hour)
  const every = hour === '*' ? 1 : step ? Number(step[1]) : null
  if (minute === '0' && every !== null && HOURS.includes(every) && day === '*' && weekday === '*')
    return { ...form, rhythm: 'hours', hours: every }
  const [m, h] = [whole(minute, 0, 59), whole(hour, 0, 23)]
  if (m === null || h === null) return form
  const time = `${pad(h)}:${pad(m)}`
  if (day === '*' && weekday === '*') return { ...form, rhythm: 'daily', time }
  const [d, w] = [whole(day, 1, 31), whole(weekday, 0, 7)]
  if (day === '*' && w !== null) return { ...form, rhythm: 'weekly', time, weekday: w % 7 }
  if (weekday === '*' && d !== null) return { ...form, rhythm: 'monthly', time, day: d }
  return form
}

export function writeCron(form: CronForm): string {
  const [hour, minute] = form.time.split(':').map(Number)
  const at = `${minute ?? 0} ${hour ?? 0}`
  switch (form.rhythm) {
    case 'hours':
      return `0 ${form.hours === 1 ? '*' : `*/${form.hours}`} * * *`
    case 'daily':
      return `${at} * * *`
    case 'weekly':
      return `${at} * * ${form.weekday}`
    case 'monthly':
      return `${at} ${form.day} * *`
    default:
      return form.text.trim().replace(/\s+/g, ' ')
  }
}

/** Returns whether a text has the form of a cron expression; the server decides whether it is ever due. */
export const isCron = (expression: string) =>
  /^(\S+ ){4}\S+$/.test(expression) && /^[\dA-Za-z*,/\- ?#]+$/.test(expression)

/** Returns the weekdays from Sunday on, in the reader's language. */
export const weekdays = (locale: string) =>
  Array.from({ length: 7 }, (_, day) => ({
    value: day,
    label: new Intl.DateTimeFormat(locale, { weekday: 'long', timeZone: 'UTC' }).format(
      new Date(Date.UTC(2023, 0, 1 + day)),
    ),
  }))

export function timeZones(): string[] {
  const zones = typeof Intl.supportedValuesOf === 'function' ? Intl.supportedValuesOf('timeZone') : []
  return [...new Set(['UTC', ownTimeZone(), ...zones])]
}
export const ownTimeZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'
