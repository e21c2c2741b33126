/**
 * The shapes the API sends and takes, from the server's own document (`schema.d.ts`, written by `npm run api-types`).
 * Here they only get sharper: words a field can hold, and objects whose content depends on the algorithm.
 * Ids of users and items are always exact strings.
 */
import type { components } from './schema'

type Schemas = components['schemas']
/** The document calls every nullable field optional; the server always sends it. */
type Sent<T> = { [Field in keyof T]-?: Exclude<T[Field], undefined> }
type With<T, Sharper> = Omit<T, keyof Sharper> & Sharper

type Values = Record<string, unknown>

export type User = Schemas['UserDetails']
export type Project = Sent<Schemas['Project']>
export type NewProject = Pick<Project, 'name' | 'user_column' | 'item_column' | 'time_column' | 'event_column'>
/** What the settings of a project can change. */
export type ProjectSettings = NewProject & Pick<Project, 'event_weights' | 'half_life_days'>
export type ProjectSummary = Sent<Schemas['ProjectSummary']>

export type RejectedRow = Schemas['RejectedRow']
export type EventCount = Schemas['EventCount']
/** Reports of files that were read without an event column know no events. */
export type DataReport = With<Sent<Schemas['DataReport']>, { events?: EventCount[] }>
export type DataStatus = 'preparing' | 'ready' | 'failed'
export type TrainingData = With<Sent<Schemas['TrainingData']>, { status: DataStatus; report: DataReport | null }>

export interface DataPreview {
  columns: string[]
  rows: unknown[][]
  total_rows: number
}

export type SplitScheme = 'RG' | 'TG' | 'TU'
export type SplitConfig = With<Sent<Schemas['SplitConfig']>, { scheme: SplitScheme }>
export type NewSplitConfig = Pick<SplitConfig, 'scheme' | 'heldout_ratio' | 'test_user_ratio' | 'random_seed'>

export type TargetMetric = 'ndcg' | 'map' | 'recall' | 'hit'
export type EvaluationConfig = With<Sent<Schemas['EvaluationConfig']>, { target_metric: TargetMetric }>
export type NewEvaluationConfig = Pick<EvaluationConfig, 'cutoff' | 'target_metric'>

export type JobStatus = 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED'
export type TuningJob = With<Sent<Schemas['TuningJob']>, { status: JobStatus }>
export type NewTuningJob = Pick<
  TuningJob,
  | 'data'
  | 'split'
  | 'evaluation'
  | 'n_tasks_parallel'
  | 'n_trials'
  | 'memory_budget'
  | 'timeout_overall'
  | 'timeout_singlestep'
  | 'random_seed'
  | 'tried_algorithms_json'
  | 'train_after_tuning'
  | 'search_weights'
>

export type TrialStatus = 'running' | 'completed' | 'pruned' | 'failed'
export type Trial = With<
  Sent<Schemas['Trial']>,
  {
    status: TrialStatus
    parameters: Values
    interval: [number, number] | null
    metrics: Record<string, number> | null
  }
>

export type ModelConfiguration = With<Sent<Schemas['ModelConfiguration']>, { parameters_json: Values }>

export type TrainedModel = With<
  Sent<Schemas['TrainedModel']>,
  { status: JobStatus; parameters: Values; metrics: Record<string, number> | null; lineage: Values | null }
>

/** The title is a human name, when the server knows one from item metadata. */
export type ScoredItem = Schemas['ScoredItem'] & { title?: string | null }

export interface SampleRecommendation {
  user_id: string
  user_profile: string[]
  recommendations: ScoredItem[]
}

export type AlgorithmParameter = With<Sent<Schemas['Parameter']>, { default: unknown; search: unknown }>
export type Algorithm = With<Sent<Schemas['Algorithm']>, { parameters: AlgorithmParameter[] }>

export type Scope = 'read' | 'write' | 'predict'
export type ApiKey = With<Sent<Schemas['ApiKey']>, { scopes: Scope[] }>

/** What creating a key answers: the only time the key itself is sent. */
export type CreatedApiKey = Pick<ApiKey, 'id' | 'project' | 'name' | 'scopes' | 'expires_at' | 'ins_datetime'> & {
  key: string
}
