/** The studio: from files to an endpoint in one call. */
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue } from 'vue'
import { API_BASE, get, post } from './client'
import type { FieldKind } from './features'
import { known, num, type Id } from './queries'
import { sendForm } from './upload'

/** The files of a run, in the order in which they are shown. */
export const FILE_ROLES = ['interactions', 'items', 'users'] as const
export type FileRole = (typeof FILE_ROLES)[number]

export const COLUMN_ROLES = {
  interactions: ['user_id', 'item_id', 'time', 'rating', 'event_type', 'ignored'],
  items: ['item_id', 'title', 'image_url', 'feature', 'ignored'],
  users: ['user_id', 'feature', 'ignored'],
} as const
export type ColumnRole = (typeof COLUMN_ROLES)[FileRole][number]

export interface GuessedColumn {
  name: string
  samples: string[]
  role: ColumnRole
  /** Of a feature. */
  kind: FieldKind | null
  /** From 0 to 1. */
  confidence: number
  reason: string
}
export interface Problem {
  column: string | null
  severity: 'error' | 'warning'
  text: string
}
export interface GuessedFile {
  name: string
  rows_seen: number
  columns: GuessedColumn[]
  problems: Problem[]
}
export interface Guess {
  files: Record<FileRole, GuessedFile | null>
  is_sure: boolean
  /** Across files, such as ids that do not meet. */
  problems: Problem[]
}

export type MappedColumn = ColumnRole | { role: 'feature'; kind: FieldKind }
export type Mapping = Partial<Record<FileRole, Record<string, MappedColumn>>>

export const STAGES = ['reading', 'checking', 'encoding', 'searching', 'training', 'deploying'] as const
export type StageName = (typeof STAGES)[number]
/** What a stage has found; figures that do not concern it are missing. */
export interface StageDetail {
  /** Rows of interactions, without the rejected ones of all files. */
  rows?: number
  rejected?: number
  users?: number
  items?: number
  /** Rows of the item file, and the share of the items with interactions that it describes. */
  item_rows?: number
  described?: number
  /** Columns that describe items, and what they are encoded as. */
  fields?: number
  features?: number
  trials?: number
  most_trials?: number
  best_score?: number
  popularity_score?: number
  algorithm?: string
  /** Name of the slot. */
  slot?: string
}
export interface Stage {
  stage: StageName | 'ready'
  state: 'waiting' | 'running' | 'done' | 'skipped' | 'failed'
  started_at: string | null
  finished_at: string | null
  detail: StageDetail
}
export interface StudioResult {
  algorithm: string
  metric: string
  cutoff: number
  score: number
  popularity_score: number | null
  new_items: { score: number; baseline: number } | null
}
export interface StudioRun {
  id: number
  project: number
  project_name: string
  name: string
  goal: string
  budget_seconds: number
  state: 'running' | 'ready' | 'failed' | 'cancelled'
  stage: StageName | 'ready'
  progress: number
  stages: Stage[]
  warnings: string[]
  error: string | null
  tuning_job: number | null
  trained_model: number | null
  slot: number | null
  result: StudioResult | null
  ins_datetime: string
  finished_at: string | null
}
export interface DemoKey {
  key: string
  expires_at: string
}

export const GOALS = ['auto', 'collaborative', 'content', 'hybrid'] as const
export type Goal = (typeof GOALS)[number]

type Untyped = (template: string, options?: object) => Promise<unknown>
// The API document has no such addresses yet.
const ask = get as unknown as Untyped
const tell = post as unknown as Untyped

/** Guesses what the columns of files are; `isHead` says that they are only the beginnings of larger ones. */
export function guessColumns(files: Partial<Record<FileRole, File>>, isHead: boolean) {
  const form = new FormData()
  form.append('is_head', String(isHead))
  appendFiles(form, files)
  return sendForm<Guess>(`${API_BASE}/studio/guess/`, form)
}

export interface NewRun {
  name: string
  organisation?: number
  goal: Goal
  budget_seconds: number
  mapping?: Mapping
  files: Partial<Record<FileRole, File>>
}

/** Starts a run. Small fields go first, so that the server can refuse before it stores bytes. */
export function startRun(run: NewRun, onProgress: (sent: number, total: number) => void) {
  const form = new FormData()
  form.append('name', run.name)
  if (run.organisation !== undefined) form.append('organisation', String(run.organisation))
  form.append('goal', run.goal)
  form.append('budget_seconds', String(run.budget_seconds))
  if (run.mapping) form.append('mapping', JSON.stringify(run.mapping))
  appendFiles(form, run.files)
  return sendForm<StudioRun>(`${API_BASE}/studio/`, form, onProgress)
}

function appendFiles(form: FormData, files: Partial<Record<FileRole, File>>) {
  for (const role of FILE_ROLES) {
    const file = files[role]
    if (file) form.append(role, file, file.name)
  }
}

export const cancelRun = (id: number) => tell('/studio/{id}/cancel/', { path: { id } })

/** Makes a key for demonstrations; the one before stops working. */
export const newDemoKey = (id: number) => tell('/studio/{id}/demo_key/', { path: { id } }) as Promise<DemoKey>

const SOON = 25
const LATER = 80

/** A short run is watched closely; a long one must not use up what the server allows. `asked` is how often it was read. */
function pollEvery(run: StudioRun | undefined, asked: number): number | false {
  if (!run || run.state !== 'running') return false
  return asked < SOON ? 1_000 : asked < LATER ? 2_000 : 5_000
}

export const useStudioRun = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['studio', toValue(id)]),
    queryFn: ({ signal }) => ask('/studio/{id}/', { path: { id: num(id) }, signal }) as Promise<StudioRun>,
    enabled: known(id),
    refetchInterval: (query) => pollEvery(query.state.data, query.state.dataUpdateCount),
  })

const RECENT = 20

/** Returns the latest runs, of a project if one is given. */
export const useStudioRuns = (project: Id = null) =>
  useQuery({
    queryKey: computed(() => ['studio', 'of', toValue(project) ?? 'all']),
    queryFn: async ({ signal }) => {
      const query = { project: toValue(project), page_size: RECENT }
      const page = (await ask('/studio/', { query, signal })) as { results: StudioRun[] }
      return page.results
    },
  })
