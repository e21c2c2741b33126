import { computed } from 'vue'
import { useI18n } from 'vue-i18n'

/** Whole days for large numbers, three digits for small ones. */
const DAYS = {
  maximumFractionDigits: 0,
  maximumSignificantDigits: 3,
  roundingPriority: 'morePrecision',
} as const

/** Formats numbers, sizes and moments in the reader's language. */
export function useFormat() {
  const { locale, t } = useI18n()
  const integer = computed(() => new Intl.NumberFormat(locale.value))
  const percentFormat = computed(
    () => new Intl.NumberFormat(locale.value, { style: 'percent', maximumSignificantDigits: 3 }),
  )
  const signedNumber = computed(
    () => new Intl.NumberFormat(locale.value, { signDisplay: 'exceptZero', maximumSignificantDigits: 2 }),
  )
  const signed = computed(
    () =>
      new Intl.NumberFormat(locale.value, {
        style: 'percent',
        signDisplay: 'exceptZero',
        maximumFractionDigits: 1,
      }),
  )
  const difference = computed(
    () =>
      new Intl.NumberFormat(locale.value, {
        signDisplay: 'exceptZero',
        minimumFractionDigits: 3,
        maximumFractionDigits: 3,
      }),
  )
  const short = computed(() => new Intl.NumberFormat(locale.value, { maximumSignificantDigits: 2 }))
  const days = computed(
    () => new Intl.NumberFormat(locale.value, { style: 'unit', unit: 'day', unitDisplay: 'long', ...DAYS }),
  )
  const moment = computed(
    () => new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'short' }),
  )
  const day = computed(() => new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium' }))
  const utcDay = computed(
    () => new Intl.DateTimeFormat(locale.value, { month: 'short', day: 'numeric', timeZone: 'UTC' }),
  )

  const time = computed(() => new Intl.DateTimeFormat(locale.value, { timeStyle: 'short' }))

  const show = (formatter: Intl.DateTimeFormat, value: string | null | undefined) => {
    if (!value) return '–'
    const parsed = new Date(value)
    return Number.isNaN(parsed.getTime()) ? value : formatter.format(parsed)
  }

  return {
    count: (value: number | null | undefined) =>
      value === null || value === undefined ? '–' : integer.value.format(value),
    short: (value: number) => short.value.format(value),
    days: (value: number) => days.value.format(value),
    percent: (value: number) => percentFormat.value.format(value),
    signedPercent: (value: number) => signed.value.format(value),
    points: (value: number) => t('common.points', { n: short.value.format(value * 100) }),
    /** Formats a difference of two shares, in percentage points. */
    signedPoints: (value: number) => t('common.points', { n: signedNumber.value.format(value * 100) }),
    /** Formats a difference of two scores. */
    signedScore: (value: number) => difference.value.format(value),
    score: (value: number | null | undefined, digits = 4) =>
      value === null || value === undefined ? '–' : value.toFixed(digits),
    when: (value: string | null | undefined) => show(moment.value, value),
    /** Formats by the clock of a time zone; by the reader's own if the browser does not know it. */
    whenIn: (value: string, timeZone: string) => {
      try {
        return show(
          new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'short', timeZone }),
          value,
        )
      } catch {
        return show(moment.value, value)
      }
    },
    date: (value: string | null | undefined) => show(day.value, value),
    time: (value: string | null | undefined) => show(time.value, value),
    /** Formats a date without a time of day, which is the same everywhere. */
    utcDay: (value: string | null | undefined) => show(utcDay.value, value),
    bytes: (value: number | null | undefined) => formatBytes(value, locale.value),
    duration: (seconds: number | null | undefined) => {
      if (seconds === null || seconds === undefined) return '–'
      if (seconds < 60)
        return t('common.seconds', { n: seconds < 10 ? seconds.toFixed(1) : Math.round(seconds) })
      return t('common.minutesSeconds', { m: Math.floor(seconds / 60), s: Math.round(seconds % 60) })
    },
  }
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const

export function formatBytes(value: number | null | undefined, locale: string): string {
  if (value === null || value === undefined) return '–'
  const power = value < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(value) / 3))
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: UNITS[power],
    unitDisplay: power === 0 ? 'long' : 'short',
    maximumFractionDigits: power === 0 ? 0 : 1,
  }).format(value / 1000 ** power)
}

/** Returns whether models of this algorithm are trained on sessions: they know no users and answer for the visit in progress. */
export const learnsFromSessions = (algorithm: string | null | undefined) => algorithm === 'VMISKNNRecommender'

/** Returns the short name of an algorithm: `IALSRecommender` → `IALS`. */
export const shortName = (algorithm: string | null | undefined) =>
  (algorithm ?? '').replace(/Recommender$/, '')
