/** The shapes the API sends and takes. Ids of users and items are always exact strings. */

export interface Page<T> {
  count: number
  next: string | null
  previous: string | null
  results: T[]
}

export interface User {
  pk: number
  username: string
  email: string
  first_name: string
  last_name: string
  is_superuser: boolean
  is_staff: boolean
}

export interface Project {
  id: number
  name: string
  user_column: string
  item_column: string
  time_column: string | null
  owner: number | null
  ins_datetime: string
  updated_at: string
}

export interface NewProject {
  name: string
  user_column: string
  item_column: string
  time_column: string | null
}

export interface ProjectSummary {
  n_data: number
  n_complete_jobs: number
  n_models: number
  ins_datetime: string
}

export interface RejectedRow {
  line: number
  reason: string
  raw: string
}

export interface DataReport {
  rows_total: number
  rows_kept: number
  rejected: number
  users: number
  items: number
  density: number
  duplicates: number
  blank_ids: number
  time_min: string | null
  time_max: string | null
  rejected_examples: RejectedRow[]
}

export type DataStatus = 'preparing' | 'ready' | 'failed'

export interface TrainingData {
  id: number
  project: number
  basename: string | null
  filesize: number | null
  ins_datetime: string
  status?: DataStatus
  error?: string | null
  report?: DataReport | null
  download_url?: string | null
  rejected_rows_url?: string | null
}

export interface DataPreview {
  columns: string[]
  rows: unknown[][]
  total_rows: number
}

export type SplitScheme = 'RG' | 'TG' | 'TU'

export interface SplitConfig {
  id: number
  name: string | null
  scheme: SplitScheme
  heldout_ratio: number
  n_heldout: number | null
  test_user_ratio: number
  n_test_users: number | null
  random_seed: number
}

export interface NewSplitConfig {
  scheme: SplitScheme
  heldout_ratio: number
  test_user_ratio: number
  random_seed: number
}

export interface EvaluationConfig {
  id: number
  name: string | null
  cutoff: number
  target_metric: TargetMetric
}

export type TargetMetric = 'ndcg' | 'map' | 'recall' | 'hit'

export type JobStatus = 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED'

export interface TuningJob {
  id: number
  status: JobStatus
  data: number
  split: number
  evaluation: number
  n_tasks_parallel: number
  n_trials: number
  memory_budget: number
  timeout_overall: number | null
  timeout_singlestep: number | null
  random_seed: number | null
  tried_algorithms_json: string[] | null
  train_after_tuning: boolean
  best_score: number | null
  tuned_model: number | null
  best_config: number | null
  ins_datetime: string
  error?: string | null
  n_completed?: number
  n_pruned?: number
  n_failed?: number
  n_running?: number
  baseline_score?: number | null
  target_metric?: string
  cutoff?: number
  started_at?: string | null
  finished_at?: string | null
}

export interface NewTuningJob {
  data: number
  split: number
  evaluation: number
  n_tasks_parallel: number
  n_trials: number
  memory_budget: number
  timeout_overall: number | null
  timeout_singlestep: number | null
  random_seed: number | null
  tried_algorithms_json: string[] | null
  train_after_tuning: boolean
}

export type TrialStatus = 'running' | 'completed' | 'pruned' | 'failed'

export interface Trial {
  number: number
  algorithm: string
  parameters: Record<string, unknown>
  status: TrialStatus
  score: number | null
  interval: [number, number] | null
  intermediate: [number, number][]
  started_at: string | null
  finished_at: string | null
  duration_seconds: number | null
  note: string | null
}

export interface ModelConfiguration {
  id: number
  name: string | null
  project: number
  tuning_job: number | null
  recommender_class_name: string
  parameters_json: Record<string, unknown>
  ins_datetime: string
}

export type ModelStatus = 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED'

export interface TrainedModel {
  id: number
  configuration: number
  data_loc: number
  basename: string | null
  filesize: number | null
  irspack_version: string | null
  ins_datetime: string
  status?: ModelStatus
  error?: string | null
  name?: string | null
  recommender_class_name?: string | null
  parameters?: Record<string, unknown> | null
  n_users?: number | null
  n_items?: number | null
  metrics?: Record<string, number> | null
  /** What is needed to make this model again. */
  lineage?: Record<string, unknown> | null
}

export interface ScoredItem {
  item_id: string
  score: number
  /** A human name, when the server knows one from item metadata. */
  title?: string | null
}

export interface SampleRecommendation {
  user_id: string
  user_profile: string[]
  recommendations: ScoredItem[]
}

export interface AlgorithmParameter {
  name: string
  type: string
  default: unknown
  /** How it is searched; null when it is left at its default. */
  search?: unknown
}

export interface Algorithm {
  name: string
  short: string
  description: string
  parameters: AlgorithmParameter[]
  early_stopping: boolean
  default_in_tuning: boolean
}

export type Scope = 'read' | 'write' | 'predict'

export interface ApiKey {
  id: number
  project: number
  name: string
  key_prefix: string
  scopes: Scope[]
  is_active: boolean
  expires_at: string | null
  last_used_at: string | null
  ins_datetime: string
}

export interface CreatedApiKey {
  id: number
  project: number
  name: string
  scopes: Scope[]
  expires_at: string | null
  ins_datetime: string
  key: string
}

export interface TaskLog {
  id: number
  ins_datetime: string
  contents: string
}
