/** Data connections, data sources and their runs: every call, and the bodies. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get, listAll, patch, post, remove } from './client'
import type { Sent } from './contract'
import { known, num, type Id } from './queries'
import type { components } from './schema'
import type { With } from './types'

type Schemas = components['schemas']

/** Those that may be offered; the server accepts the ones that it can read. */
export type ConnectionKind = Extract<
  Schemas['ConnectionKind'],
  'postgresql' | 'mysql' | 'folder' | 'http' | 's3'
>
export type Tls = 'verify_full' | 'require' | 'off'
/** Of a database. The port is left out if it is the usual one. */
export type DatabaseSettings = {
  host: string
  port?: number | null
  database: string
  username: string
  tls: Tls
  ca_certificate?: string | null
  time_zone?: string | null
}
/** Of a place of files. */
export type FileSettings = {
  path?: string
  url?: string
  bucket?: string
  region?: string
  endpoint?: string | null
  access_key_id?: string | null
  path_style?: boolean
}
/** Each kind has some of them. */
export type ConnectionSettings = Partial<DatabaseSettings> & FileSettings
export type TestStep = Schemas['TestStep']
export type Connection = With<
  Sent<Schemas['DataConnection']>,
  {
    kind: ConnectionKind
    settings: ConnectionSettings
    secret: Sent<Schemas['DataConnectionSecret']>
    last_test: TestStep[] | null
  }
>
/** `secret` is only sent: left out it stays, `null` removes it. */
export interface ConnectionFields {
  name: string
  kind: ConnectionKind
  settings: ConnectionSettings
  secret?: string | null
}
export type Entry = Schemas['Entry']

export type FileFormat = Schemas['FileFormat']
export type Target = Schemas['SourceTarget']
export type Mode = Schemas['SourceMode']
export type SourceQuery = Schemas['SourceQuery']
export type Guards = Sent<Schemas['SourceGuards']>
export type SourceFields = With<Sent<Schemas['DataSourceFields']>, { query: SourceQuery; guards: Guards }>
export type Source = SourceFields & {
  id: number
  project: number
  /** Where the next window begins; null if the next run reads everything. */
  position: { next_from?: string | null }
  next_run_at: string | null
  last_run: SourceRun | null
  ins_datetime: string
  updated_at: string
}

export type RunState = Schemas['SourceRunState']
export type StageName = Schemas['SourceStage']
/** The stages of a run in their order. */
export const STAGES: StageName[] = ['counting', 'reading', 'preparing', 'checking', 'training']
export type RunStage = Sent<Schemas['SourceStageProgress']>
/** A figure of a run beside its median over the last seven runs. */
export type Compared = Sent<Schemas['SourceComparison']>
export type RunReport = With<Schemas['SourceReport'], { compared?: Compared[] }>
export type SourceRun = With<Sent<Schemas['SourceRun']>, { stages: RunStage[]; report: RunReport | null }>
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
/** Returns the first files that match a pattern, and how many there are. */
export const useMatching = (connection: Id, pattern: MaybeRefOrGetter<string>) =>
  useQuery({
    queryKey: computed(() => ['connections', toValue(connection), 'matching', toValue(pattern)]),
    queryFn: ({ signal }) =>
      get('/data_connection/{id}/browse/', {
        path: { id: num(connection) },
        query: { pattern: toValue(pattern) },
        signal,
      }),
    enabled: computed(() => known(connection).value && toValue(pattern).trim() !== ''),
    placeholderData: keepPreviousData,
    retry: false,
    staleTime: 30_000,
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
export const dryRunSource = async (id: number) =>
  (await post('/data_source/{id}/dry_run/', { path: { id } })) as unknown as DryRun
export const runSource = (id: number) => post('/data_source/{id}/run/', { path: { id } })
/** Reads a period again: between two moments, or between two numbers of the column. */
export const backfillSource = (id: number, body: { from: string | number; to: string | number }) =>
  post('/data_source/{id}/backfill/', { path: { id }, body: body as { from: string; to: string } })
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
