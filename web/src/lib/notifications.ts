import { useI18n } from 'vue-i18n'
import type { Notification } from '@/api/integrations'
import { i18n } from '@/i18n'
import { translatedSentence } from '@/i18n/refusals'
import { destination } from './destination'
import { shortName, useFormat } from './format'
import { localDay } from './moments'

export interface Day {
  /** A calendar day where the reader is. */
  day: string
  rows: Notification[]
}

/** Groups notifications by day, in their order. */
export function byDay(rows: Notification[]): Day[] {
  const days: Day[] = []
  for (const row of rows) {
    const day = localDay(new Date(row.occurred_at))
    const last = days.at(-1)
    if (last?.day === day) last.rows.push(row)
    else days.push({ day, rows: [row] })
  }
  return days
}

/** Returns the page of this site that shows more of it, or nothing. */
export const linkOf = ({ link_path }: Pick<Notification, 'link_path'>) =>
  link_path ? destination(link_path) : null

type Values = Record<string, unknown>
const textIn = (data: Values, key: string) => {
  const value = data[key]
  return typeof value === 'string' && value !== '' ? value : null
}
const numberIn = (data: Values, key: string) => {
  const value = data[key]
  return typeof value === 'number' ? value : null
}

/** Returns the names of slots that changed, without repeating them. */
function slotNames(data: Values): string[] {
  const slots = [data.after, data.before].filter(Array.isArray).flat() as Values[]
  return [...new Set(slots.map((slot) => textIn(slot, 'name')).filter((name) => name !== null))]
}

/** Describes what a notification is about: the object, its most important figure, and what went wrong. */
export function useNotificationWords() {
  const { t } = useI18n()
  const format = useFormat()
  const idIn = (data: Values, key: string, message: string) => {
    const id = numberIn(data, key)
    return id === null ? null : t(message, { id })
  }
  function subject({ data }: Pick<Notification, 'data'>): string {
    const rows = numberIn(data, 'rows')
    const score = numberIn(data, 'best_score')
    return [
      textIn(data, 'name') ?? textIn(data, 'url'),
      ...slotNames(data),
      idIn(data, 'tuning_job', 'tuning.job') ?? idIn(data, 'model', 'models.model'),
      shortName(textIn(data, 'algorithm')),
      rows === null ? null : t('data.sourceRows', { n: format.count(rows) }),
      score === null ? null : format.score(score),
    ]
      .filter(Boolean)
      .join(' · ')
  }
  function fault({ data }: Pick<Notification, 'data'>): string | null {
    const said = textIn(data, 'error')
    return said && (translatedSentence(i18n.global.locale.value, said) ?? said)
  }
  return { subject, fault }
}
