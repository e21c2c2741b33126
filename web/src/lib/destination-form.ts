import type { Destination, DestinationFields, Lists, ListFormat } from '@/api/destinations'
import { ownTimeZone } from './cron'

export interface DestinationForm {
  name: string
  lists: Lists
  by: 'slot' | 'model'
  slot: number | null
  model: number | null
  cutoff: number | null
  excludeSeen: boolean
  diversity: number | null
  to: 'file' | 'table'
  format: ListFormat
  connection: number | null
  table: string
  afterRetraining: boolean
  scheduled: boolean
  cron: string
  zone: string
}

/** Returns the form of a destination, or of a new one that is ready to be used. */
export function destinationForm(
  row: Destination | null,
  newest: { slot: number | null; model: number | null } = { slot: null, model: null },
): DestinationForm {
  if (!row) {
    return {
      name: '',
      lists: 'users',
      by: newest.slot === null && newest.model !== null ? 'model' : 'slot',
      slot: newest.slot,
      model: newest.model,
      cutoff: 20,
      excludeSeen: true,
      diversity: 0,
      to: 'file',
      format: 'parquet',
      connection: null,
      table: '',
      afterRetraining: false,
      scheduled: false,
      cron: '0 5 * * *',
      zone: ownTimeZone(),
    }
  }
  return {
    name: row.name,
    lists: row.lists,
    by: row.slot === null ? 'model' : 'slot',
    slot: row.slot ?? newest.slot,
    model: row.model ?? newest.model,
    cutoff: row.cutoff,
    excludeSeen: row.exclude_seen,
    diversity: row.diversity,
    to: row.target ? 'table' : 'file',
    format: row.format,
    connection: row.connection,
    table: row.target?.table ?? '',
    afterRetraining: row.after_retraining,
    scheduled: row.cron_expression !== null,
    cron: row.cron_expression ?? '0 5 * * *',
    zone: row.time_zone,
  }
}

/** Returns the body of a form. Either the model or the slot is empty, and so are connection and table of a file. */
export function destinationFields(form: DestinationForm): Omit<DestinationFields, 'is_enabled'> {
  return {
    name: form.name.trim(),
    lists: form.lists,
    model: form.by === 'model' ? form.model : null,
    slot: form.by === 'slot' ? form.slot : null,
    cutoff: form.cutoff ?? 0,
    exclude_seen: form.lists === 'users' && form.excludeSeen,
    diversity: form.diversity ?? 0,
    format: form.format,
    connection: form.to === 'table' ? form.connection : null,
    target: form.to === 'table' ? { table: form.table.trim() } : null,
    cron_expression: form.scheduled ? form.cron : null,
    time_zone: form.zone,
    after_retraining: form.afterRetraining,
  }
}
