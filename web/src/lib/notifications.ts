import type { Notification } from '@/api/integrations'
import { destination } from './destination'
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

/** The first of these that the data have says best what a notification is about. */
const NAMES = ['name', 'basename', 'slot_name', 'url', 'file']

/** Returns the name of the object, if its data contain one. */
export function subjectOf(data: Record<string, unknown>): string | null {
  for (const key of NAMES) {
    const value = data[key]
    if (typeof value === 'string' && value !== '') return value
  }
  return null
}
