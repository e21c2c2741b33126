import type { Project } from '@/api/types'
import type { Entry, FileFormat, Mode, Source, SourceFields, Target } from '@/api/sources'
import { ownTimeZone } from './cron'

/** What a column is read as. Tables about items and users are read with all their columns. */
export const ROLES = {
  interactions: ['user', 'item', 'time', 'event'],
  items: ['item'],
  users: ['user'],
} as const satisfies Record<Target, readonly string[]>
export type ColumnRole = (typeof ROLES)[Target][number]
export const TARGETS = Object.keys(ROLES) as Target[]
/** Returns the roles without which a project cannot import rows: times and event types if its files have them. */
export function neededRoles(target: Target, project: Columns): ColumnRole[] {
  if (target !== 'interactions') return [...ROLES[target]]
  return [
    'user',
    'item',
    ...(project?.time_column ? (['time'] as const) : []),
    ...(project?.event_column ? (['event'] as const) : []),
  ]
}
type Columns = Pick<Project, 'time_column' | 'event_column'> | undefined

/** What the pages for a new source and for changing one fill in. */
export interface SourceDraft {
  connection: number | null
  target: Target
  from: 'table' | 'sql' | 'files'
  schema: string
  table: string
  sql: string
  /** Names of files, one a line, with signs that stand for others. */
  pattern: string
  /** The format of all files; empty if their endings say it. */
  format: FileFormat | ''
  /** A file that matches, whose columns are shown. */
  file: string
  columns: Partial<Record<ColumnRole, string>>
  pairs: boolean
  lastDays: number | null
  mode: Mode
  cursor: string
  cursorKind: 'time' | 'integer'
  name: string
  scheduled: boolean
  cron: string
  zone: string
  settleMinutes: number
  withNullCursor: boolean
  minRows: number | null
  maxDrop: number | null
  maxNull: number | null
  acceptsColumns: boolean
  retrains: boolean
}

export const newDraft = (): SourceDraft => ({
  connection: null,
  target: 'interactions',
  from: 'table',
  schema: '',
  table: '',
  sql: '',
  pattern: '',
  format: '',
  file: '',
  columns: {},
  pairs: false,
  lastDays: null,
  mode: 'incremental',
  cursor: '',
  cursorKind: 'time',
  name: '',
  scheduled: true,
  cron: '0 3 * * *',
  zone: ownTimeZone(),
  settleMinutes: 10,
  withNullCursor: false,
  minRows: null,
  maxDrop: 50,
  maxNull: null,
  acceptsColumns: false,
  retrains: false,
})

export function draftOf(source: Source): SourceDraft {
  const table = source.query.table ?? ''
  const dot = table.indexOf('.')
  return {
    connection: source.connection,
    target: source.target,
    from: source.query.files ? 'files' : source.query.sql ? 'sql' : 'table',
    schema: dot < 0 ? '' : table.slice(0, dot),
    table: table.slice(dot + 1),
    sql: source.query.sql ?? '',
    pattern: source.query.files?.pattern ?? '',
    format: source.query.files?.format ?? '',
    file: '',
    columns: { ...source.query.columns },
    pairs: source.query.aggregate?.pairs ?? false,
    lastDays: source.query.aggregate?.last_days ?? null,
    mode: source.mode,
    cursor: source.cursor_column ?? '',
    cursorKind: source.cursor_kind,
    name: source.name,
    scheduled: source.cron_expression !== null,
    cron: source.cron_expression ?? '0 3 * * *',
    zone: source.time_zone,
    settleMinutes: source.settle_seconds / 60,
    withNullCursor: source.null_cursor === 'with_every_run',
    minRows: source.guards.min_rows,
    maxDrop: source.guards.max_drop_percent,
    maxNull: source.guards.max_null_percent,
    acceptsColumns: source.guards.schema_change === 'accept_new_columns',
    retrains: source.then === 'retrain',
  }
}

/** Returns the table with its schema, as the server writes it. */
export const tableOf = (draft: Pick<SourceDraft, 'schema' | 'table'>) =>
  draft.schema ? `${draft.schema}.${draft.table}` : draft.table
/** Returns the address of a table when browsing. */
export const pathOf = (draft: Pick<SourceDraft, 'from' | 'file' | 'schema' | 'table'>) =>
  draft.from === 'files'
    ? draft.file || null
    : draft.table
      ? [draft.schema, draft.table].filter(Boolean).join('/')
      : null

const used = (draft: SourceDraft) => {
  const roles = ROLES[draft.target] as readonly ColumnRole[]
  return Object.fromEntries(
    Object.entries(draft.columns).filter(
      ([role, column]) => roles.includes(role as ColumnRole) && !!column?.trim(),
    ),
  ) as Record<string, string>
}

/** Returns how much a run reads. What is about items and users, or is combined at the source, is read as a whole. */
export const modeOf = (draft: SourceDraft): Mode =>
  draft.from === 'files' ? 'files' : draft.target !== 'interactions' || draft.pairs ? 'snapshot' : draft.mode

function readFrom(draft: SourceDraft): Pick<SourceFields['query'], 'sql' | 'table' | 'files'> {
  if (draft.from === 'sql') return { sql: draft.sql.trim() }
  if (draft.from === 'table') return { table: tableOf(draft) }
  return { files: { pattern: draft.pattern.trim(), ...(draft.format ? { format: draft.format } : {}) } }
}

/** Returns a pattern for all files beside one that have its ending; a date in its folders stands for all dates. */
export function patternLike(key: string): string {
  const slash = key.lastIndexOf('/') + 1
  const ending = /(\.[a-z]+)+$/i.exec(key.slice(slash))?.[0] ?? ''
  const folders = key
    .slice(0, slash)
    .replace(/\d{4}-\d{2}-\d{2}/g, '{yyyy-mm-dd}')
    .replace(/(?<=\/|^)\d{4}\/\d{2}\/\d{2}(?=\/)/, '{yyyy/mm/dd}')
  return `${folders}*${ending}`
}

/** Returns the body of a source. `schedule` is the retraining to start, if the project has one. */
export function sourceFields(draft: SourceDraft, schedule: number | null): SourceFields {
  const follows = modeOf(draft) === 'incremental'
  return {
    connection: draft.connection ?? 0,
    name: draft.name.trim(),
    target: draft.target,
    query: {
      ...readFrom(draft),
      columns: used(draft),
      aggregate:
        draft.pairs && draft.from !== 'files' && draft.target === 'interactions'
          ? { pairs: true, last_days: draft.lastDays }
          : null,
    },
    mode: modeOf(draft),
    cursor_column: follows ? draft.cursor.trim() : null,
    cursor_kind: draft.cursorKind,
    settle_seconds: Math.round(draft.settleMinutes * 60),
    null_cursor: draft.withNullCursor ? 'with_every_run' : 'skip',
    guards: {
      min_rows: draft.minRows,
      max_drop_percent: draft.maxDrop,
      max_null_percent: draft.maxNull,
      schema_change: draft.acceptsColumns ? 'accept_new_columns' : 'hold',
    },
    cron_expression: draft.scheduled ? draft.cron : null,
    time_zone: draft.zone,
    is_enabled: true,
    then: draft.retrains && schedule !== null ? 'retrain' : 'nothing',
    retraining_schedule: draft.retrains ? schedule : null,
  }
}

/** Returns only what a change of a source changes, so that two users can change two settings. */
export function changedFields(saved: Source, fields: SourceFields): Partial<SourceFields> {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([name, value]) =>
        name !== 'is_enabled' &&
        JSON.stringify(canonical(saved[name as keyof SourceFields])) !== JSON.stringify(canonical(value)),
    ),
  ) as Partial<SourceFields>
}
/** The order of fields, and whether an empty one is sent, make no difference. */
function canonical(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== null && field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, field]) => [name, canonical(field)]),
  )
}

const NAMES: Record<ColumnRole, RegExp[]> = {
  user: [
    /^(user|customer|member|visitor|account|client|buyer)_?(id|no|code)$/i,
    /^(user|customer|member|visitor)$/i,
  ],
  item: [
    /^(item|product|article|movie|book|goods|sku|content|track|song|video)_?(id|no|code)?$/i,
    /^(asin|isbn|jan)$/i,
  ],
  time: [
    /^(created|occurred|event|purchased|ordered|inserted|clicked|viewed)_?(at|on|time|date)$/i,
    /^(timestamp|time|date|ts|datetime)$/i,
    /(_at|_time|_date|_ts)$/i,
  ],
  event: [/^(event|event_?type|action|kind|type)$/i],
}
const isTime = ({ data_type: type }: Entry) => /time|date/i.test(type ?? '')
const isInteger = ({ data_type: type }: Entry) =>
  /^(big|small|medium|tiny)?int|serial|integer/i.test(type ?? '')

/** Guesses what the columns of a table are, by their names and types. */
export function guessColumns(target: Target, entries: Entry[]): Partial<Record<ColumnRole, string>> {
  const found: Partial<Record<ColumnRole, string>> = {}
  for (const role of ROLES[target]) {
    const taken = new Set(Object.values(found))
    const free = entries.filter(
      (entry) => !taken.has(entry.name) && (role !== 'time' || isTime(entry) || isInteger(entry)),
    )
    const named = NAMES[role].flatMap((name) => free.filter((entry) => name.test(entry.name)))[0]
    const guess =
      named ??
      (role === 'time' ? free.find(isTime) : undefined) ??
      (role === 'item' && target === 'items' ? free.find((entry) => entry.name === 'id') : undefined) ??
      (role === 'user' && target === 'users' ? free.find((entry) => entry.name === 'id') : undefined)
    if (guess) found[role] = guess.name
  }
  return found
}

/** Returns the columns by which new rows can be found. */
export const cursorsOf = (entries: Entry[]) => entries.filter((entry) => isTime(entry) || isInteger(entry))
export const cursorKindOf = (entry: Entry | undefined) => (entry && isInteger(entry) ? 'integer' : 'time')

/** Guesses by which column new rows are found: one that says when a row was written, otherwise the time. */
export function guessCursor(entries: Entry[], time: string | undefined): string {
  const cursors = cursorsOf(entries)
  const written = cursors.find(
    (entry) => isTime(entry) && /^(created|inserted|updated)_?(at|on)$/i.test(entry.name),
  )
  return (
    (written ?? cursors.find((entry) => entry.name === time) ?? cursors.find(isTime))?.name ??
    cursors.find((entry) => /^id$|_id$|^seq/i.test(entry.name))?.name ??
    ''
  )
}

/** Returns the roles that a draft still needs. */
export const missingRoles = (draft: SourceDraft, project: Columns) =>
  neededRoles(draft.target, project).filter((role) => !draft.columns[role]?.trim())
/** Returns the columns that have more than one role. */
export function twiceUsed(draft: SourceDraft): string[] {
  const columns = Object.values(used(draft))
  return [...new Set(columns.filter((name, at) => columns.indexOf(name) !== at))]
}
