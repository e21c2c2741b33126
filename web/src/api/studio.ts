/** The studio: from files to an endpoint in one call. */
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue } from 'vue'
import { address, get, post } from './client'
import type { Answer, Sent } from './contract'
import type { FieldKind } from './features'
import { known, num, type Id } from './queries'
import type { components } from './schema'
import type { With } from './types'
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

type Schemas = components['schemas']
/** The kind is that of a feature; the confidence is from 0 to 1. */
export type GuessedColumn = With<
  Sent<Schemas['StudioGuessedColumn']>,
  { role: ColumnRole; kind: FieldKind | null }
>
export type Problem = Sent<Schemas['StudioProblem']>
export type GuessedFile = With<
  Schemas['StudioGuessedFile'],
  { columns: GuessedColumn[]; problems: Problem[] }
>
/** The problems are between files, such as ids that do not meet. */
export type Guess = With<Schemas['StudioGuesses'], { files: Record<FileRole, GuessedFile | null> }>

export type MappedColumn = ColumnRole | { role: 'feature'; kind: FieldKind }
export type Mapping = Partial<Record<FileRole, Record<string, MappedColumn>>>

export type StageName = Schemas['StudioStage']
/** The stages in their order; the last one of the server, `ready`, does nothing. */
export const STAGES = [
  'reading',
  'checking',
  'encoding',
  'searching',
  'training',
  'deploying',
] as const satisfies StageName[]
/** What a stage has found; figures that do not concern it are missing. */
export type StageDetail = Schemas['StudioStageDetail']
export type Stage = Sent<Schemas['StudioStageProgress']>
/** Without interactions there is nothing to compare with best-sellers by, and no result. */
export type StudioResult = Sent<Schemas['StudioResult']>
export type StudioRun = With<Sent<Schemas['StudioRun']>, { stages: Stage[]; result: StudioResult | null }>
export type DemoKey = Answer<'post', '/studio/{id}/demo_key/'>

export const GOALS: Goal[] = ['auto', 'collaborative', 'content', 'hybrid']
export type Goal = Schemas['StudioGoal']

/** Guesses what the columns of files are; `isHead` says that they are only the beginnings of larger ones. */
export function guessColumns(files: Partial<Record<FileRole, File>>, isHead: boolean) {
  const form = new FormData()
  form.append('is_head', String(isHead))
  appendFiles(form, files)
  return sendForm<Guess>(address('/studio/guess/'), form)
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
  return sendForm<StudioRun>(address('/studio/'), form, onProgress)
}

function appendFiles(form: FormData, files: Partial<Record<FileRole, File>>) {
  for (const role of FILE_ROLES) {
    const file = files[role]
    if (file) form.append(role, file, file.name)
  }
}

export const cancelRun = (id: number) => post('/studio/{id}/cancel/', { path: { id } })

/** Makes a key for demonstrations; the one before stops working. */
export const newDemoKey = (id: number) => post('/studio/{id}/demo_key/', { path: { id } })

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
    queryFn: ({ signal }) => get('/studio/{id}/', { path: { id: num(id) }, signal }),
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
      return (await get('/studio/', { query, signal })).results
    },
  })
