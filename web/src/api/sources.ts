/** Data connections, data sources and their runs: every call, and the bodies. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get, listAll, patch, post, remove } from './client'
import { known, num, type Id } from './queries'

export type ConnectionKind = 'postgresql' | 'mysql' | 'folder' | 'http' | 's3'
export type Tls = 'verify_full' | 'require' | 'off'
/** Of a database; the other kinds have other fields. */
export interface DatabaseSettings {
  host: string
  port?: number | null
  database: string
  username: string
  tls: Tls
  ca_certificate?: string | null
  time_zone?: string | null
}
export const TEST_STEPS = ['address', 'tls', 'log_in', 'rights'] as const
export interface TestStep {
  step: string
  state: 'passed' | 'warning' | 'failed' | 'skipped'
  text: string
  code?: string | null
}
export interface Connection {
  id: number
  organisation: number
  name: string
  kind: ConnectionKind
  settings: DatabaseSettings
  secret: { is_set: boolean; hint: string | null; updated_at: string | null }
  last_test_at: string | null
  last_test: TestStep[] | null
  /** How many sources use it. */
  sources: number
  ins_datetime: string
  updated_at: string
}
/** `secret` is only sent: left out it stays, `null` removes it. */
export interface ConnectionFields {
  name: string
  kind: ConnectionKind
  settings: DatabaseSettings
  secret?: string | null
}
export interface Entry {
  name: string
  kind: 'schema' | 'table' | 'view' | 'column'
  rows: number | null
  bytes: number | null
  data_type: string | null
  null_share: number | null
  distinct: number | null
}
export interface Sample {
  columns: string[]
  rows: (string | null)[][]
}

export type Target = 'interactions' | 'items' | 'users'
export type Mode = 'incremental' | 'snapshot' | 'files'
export type CursorKind = 'time' | 'integer'
export interface SourceQuery {
  table?: string | null
  sql?: string | null
  columns: Record<string, string>
  aggregate?: { pairs: boolean; last_days: number | null } | null
}
export interface Guards {
  min_rows: number | null
  max_drop_percent: number | null
  max_null_percent: number | null
  schema_change: 'hold' | 'accept_new_columns'
}
export interface SourceFields {
  connection: number
  name: string
  target: Target
  query: SourceQuery
  mode: Mode
  cursor_column: string | null
  cursor_kind: CursorKind
  settle_seconds: number
  null_cursor: 'skip' | 'with_every_run'
  guards: Guards
  cron_expression: string | null
  time_zone: string
  is_enabled: boolean
  then: 'nothing' | 'retrain'
  retraining_schedule: number | null
}
export interface Source extends SourceFields {
  id: number
  project: number
  /** Where the next window begins; null if the next run reads everything. */
  position: { next_from: string | null }
  next_run_at: string | null
  last_run: SourceRun | null
  ins_datetime: string
  updated_at: string
}

export type RunState =
  'queued' | 'running' | 'succeeded' | 'held' | 'failed' | 'cancelled' | 'discarded' | 'nothing_new'
/** The stages of a run in their order. */
export const STAGES: StageName[] = ['counting', 'reading', 'preparing', 'checking', 'training']
export type StageName = 'counting' | 'reading' | 'preparing' | 'checking' | 'training'
export interface RunStage {
  name: StageName
  started_at: string | null
  seconds: number | null
  rows: number | null
}
/** A figure of a run beside its median over the last seven runs. */
export interface Compared {
  measure: 'rows' | 'users' | 'items' | 'null_percent'
  value: number
  /** Null if there are too few runs before. */
  median: number | null
}
export interface RunReport {
  rows: number
  rows_kept: number
  rows_rejected: number
  /** Rows without a value in the column by which new rows are found. */
  null_cursors: number
  blank_ids: number
  users: number | null
  items: number | null
  time_min: string | null
  time_max: string | null
  columns: { name: string; data_type: string | null }[]
  compared: Compared[]
  notes: string[]
}
export interface SourceRun {
  id: number
  data_source: number
  project: number
  cause: 'manual' | 'schedule' | 'backfill' | 'recheck'
  state: RunState
  window_from: string | null
  window_to: string | null
  rows_read: number
  rows_kept: number
  rows_rejected: number
  bytes: number
  stages: RunStage[]
  report: RunReport | null
  problems: string[]
  training_data: number | null
  item_meta_data: number | null
  retraining_run: number | null
  error_code: string | null
  error: string | null
  attempt: number
  scheduled_for: string | null
  ins_datetime: string
  started_at: string | null
  finished_at: string | null
}
export interface DryRun {
  estimate: { rows: number | null; bytes: number | null }
  rows_read: number
  /** That of an upload of these rows: `DataReport` of interactions, `MetaDataReport` of the others. */
  report: unknown
}

const RUN_POLL_MS = 2_000
const LIST_POLL_MS = 5_000
/** The runs that a timeline shows. */
export const TIMELINE_RUNS = 60

export const isActive = (state: string | null | undefined) => state === 'queued' || state === 'running'

export const useConnections = (organisation: Id) =>
  useQuery({
    queryKey: computed(() => ['connections', 'of', toValue(organisation)]),
    queryFn: ({ signal }) =>
      listAll('/data_connection/', { query: { organisation: num(organisation) }, signal }),
    enabled: known(organisation),
  })
export const createConnection = (organisation: number, fields: ConnectionFields) =>
  post('/data_connection/', { body: { organisation, ...fields } })
export const changeConnection = (id: number, body: Partial<ConnectionFields>) =>
  patch('/data_connection/{id}/', { path: { id }, body })
export const deleteConnection = (id: number) => remove('/data_connection/{id}/', { path: { id } })
export const testConnection = (id: number) => post('/data_connection/{id}/test/', { path: { id } })

/** Returns what is below a path of a connection: schemas, tables, columns. */
export const useBrowse = (connection: Id, path: MaybeRefOrGetter<string | null>) =>
  useQuery({
    queryKey: computed(() => ['connections', toValue(connection), 'browse', toValue(path)]),
    queryFn: async ({ signal }) =>
      (
        await get('/data_connection/{id}/browse/', {
          path: { id: num(connection) },
          query: { path: toValue(path) ?? '' },
          signal,
        })
      ).entries,
    enabled: computed(() => known(connection).value && toValue(path) !== null),
    staleTime: 60_000,
  })
export const useSample = (connection: Id, path: MaybeRefOrGetter<string | null>) =>
  useQuery({
    queryKey: computed(() => ['connections', toValue(connection), 'sample', toValue(path)]),
    queryFn: ({ signal }) =>
      get('/data_connection/{id}/sample/', {
        path: { id: num(connection) },
        query: { path: toValue(path) ?? '' },
        signal,
      }),
    enabled: computed(() => known(connection).value && toValue(path) !== null),
    staleTime: 60_000,
  })

export const useSources = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['sources', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/data_source/', { query: { project: num(project) }, signal }),
    enabled: known(project),
    refetchInterval: (query) =>
      query.state.data?.some((row) => isActive(row.last_run?.state)) ? LIST_POLL_MS : false,
  })
export const useSource = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['sources', toValue(id)]),
    queryFn: ({ signal }) => get('/data_source/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
  })
export const createSource = (project: number, fields: SourceFields) =>
  post('/data_source/', { body: { project, ...fields } })
export const changeSource = (id: number, body: Partial<SourceFields>) =>
  patch('/data_source/{id}/', { path: { id }, body })
export const deleteSource = (id: number) => remove('/data_source/{id}/', { path: { id } })
export const previewSource = (id: number) => post('/data_source/{id}/preview/', { path: { id } })
export const dryRunSource = (id: number) => post('/data_source/{id}/dry_run/', { path: { id } })
export const runSource = (id: number) => post('/data_source/{id}/run/', { path: { id } })
/** Reads a period again: between two moments, or between two numbers of the column. */
export const backfillSource = (id: number, body: { from: string | number; to: string | number }) =>
  post('/data_source/{id}/backfill/', { path: { id }, body })
export const resetSource = (id: number) => post('/data_source/{id}/reset/', { path: { id } })

/** Returns the newest runs of a source, again and again while one of them is under way. */
export const useSourceRuns = (source: Id) =>
  useQuery({
    queryKey: computed(() => ['source-runs', 'of', toValue(source)]),
    queryFn: async ({ signal }) =>
      (
        await get('/source_run/', {
          query: { data_source: num(source), page_size: TIMELINE_RUNS },
          signal,
        })
      ).results,
    enabled: known(source),
    placeholderData: keepPreviousData,
    refetchInterval: (query) =>
      query.state.data?.some((row) => isActive(row.state)) ? RUN_POLL_MS : LIST_POLL_MS * 6,
  })
export const useSourceRun = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['source-runs', toValue(id)]),
    queryFn: ({ signal }) => get('/source_run/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => (isActive(query.state.data?.state) ? RUN_POLL_MS : false),
  })
export const RUN_ACTIONS = {
  accept: (id: number) => post('/source_run/{id}/accept/', { path: { id } }),
  discard: (id: number) => post('/source_run/{id}/discard/', { path: { id } }),
  cancel: (id: number) => post('/source_run/{id}/cancel/', { path: { id } }),
  retry: (id: number) => post('/source_run/{id}/retry/', { path: { id } }),
}
export type RunAction = keyof typeof RUN_ACTIONS
