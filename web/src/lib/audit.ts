import type { Query } from '@/api/client'
import type { AuditEntry } from '@/api/types'

export interface FieldChange {
  field: string
  before: string | null
  after: string | null
}

type Values = Record<string, unknown>
const isObject = (value: unknown): value is Values =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

/** Flattens `{a: {b: 1}}` to `a.b`, so that a change inside a setting does not show the whole setting twice. */
function flatten(values: Values | null, prefix = ''): Map<string, unknown> {
  const flat = new Map<string, unknown>()
  for (const [key, value] of Object.entries(values ?? {})) {
    if (isObject(value) && Object.keys(value).length > 0)
      for (const entry of flatten(value, `${prefix}${key}.`)) flat.set(...entry)
    else flat.set(prefix + key, value)
  }
  return flat
}

const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** Returns the differences field by field; `null` for a side without the field. */
export function difference({ before, after }: Pick<AuditEntry, 'before' | 'after'>): FieldChange[] {
  const [left, right] = [flatten(before), flatten(after)]
  const fields = [...new Set([...left.keys(), ...right.keys()])]
  const side = (map: Map<string, unknown>, field: string) => (map.has(field) ? show(map.get(field)) : null)
  return fields
    .map((field) => ({ field, before: side(left, field), after: side(right, field) }))
    .filter((change) => change.before !== change.after)
}

export interface AuditFilters {
  organisation: number | null
  project: number | null
  user: number | null
  resource: string | null
  action: string | null
  since: string
  until: string
}

/** Converts whole days of the reader's calendar to moments; the last day is included. */
export function auditQuery(filters: AuditFilters): Query {
  const { since, until, ...rest } = filters
  const end = until ? new Date(`${until}T00:00:00`) : null
  end?.setDate(end.getDate() + 1)
  return {
    ...rest,
    since: since ? new Date(`${since}T00:00:00`).toISOString() : null,
    until: end ? end.toISOString() : null,
  }
}
