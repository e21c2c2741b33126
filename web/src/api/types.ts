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
export type Project = Sent<Schemas['Project']> & { organisation?: number }
export type NewProject = Pick<Project, 'name' | 'user_column' | 'item_column' | 'time_column' | 'event_column'> & Partial<Pick<Project, 'organisation'>>
/** What the settings of a project can change. */
export type ProjectSettings = Omit<NewProject, 'organisation'> & Pick<Project, 'event_weights' | 'half_life_days' | 'unknown_user' | 'logged_share'>
export type ProjectSummary = Sent<Schemas['ProjectSummary']>

export type RejectedRow = Schemas['RejectedRow']
export type EventCount = Schemas['EventCount']
/** Reports of files that were read without an event column know no events; older ones know less of how they were read. */
export type DataReport = With<Sent<Schemas['DataReport']>, { events?: EventCount[]; notes?: ColumnNote[]; late_times?: LateTimes | null }>
export type DataStatus = 'preparing' | 'ready' | 'failed'
export type EventType = 'impression' | 'click' | 'purchase'
/** A part of data that was put together. */
export type DataSource =
  | Extract<Schemas['TrainingDataSource'], { kind: 'upload' }>
  | With<Extract<Schemas['TrainingDataSource'], { kind: 'events' }>, { event_types: EventType[] }>
export type TrainingData = With<Sent<Schemas['TrainingData']>, { status: DataStatus; report: DataReport | null; sources?: DataSource[] | null; sha256?: string | null }>

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
export type TuningJob = With<Sent<Schemas['TuningJob']>, { status: JobStatus; warnings?: string[] }>
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

export type Role = Schemas['Role']
export interface AuthOptions {
  sign_up: boolean
  mail: boolean
}
export type UserSession = Sent<Schemas['Session']>
/** An account as the staff see it. */
export type Account = Sent<Schemas['User']>
export interface ResetLink {
  url: string
  expires_at: string
}

/** Staff act as owners everywhere. */
export type Organisation = Sent<Schemas['Organisation']>
export type Member = Sent<Schemas['Member']>
export type Invitation = Sent<Schemas['Invitation']>
/** What inviting answers: the only time the address is sent. */
export type CreatedInvitation = Invitation & { url: string; token: string }
/** What the holder of an invitation may know before accepting it. */
export type InvitationOffer = Pick<Invitation, 'role' | 'invited_by' | 'expires_at' | 'email'> & { organisation_name: string }

export type AuditAction = 'created' | 'updated' | 'deleted'
export type AuditEntry = With<Sent<Schemas['AuditEntry']>, { action: AuditAction; before: Values | null; after: Values | null }>

export type ColumnNote = Sent<Schemas['ColumnNote']>
export type LateTimes = Sent<Schemas['LateTimes']>
export type ItemColumn = Schemas['ColumnReport']
/** Reports of files that were read before columns were looked at know no columns and no notes. */
export type ItemDataReport = With<Sent<Schemas['MetaDataReport']>, { columns?: ItemColumn[]; notes?: ColumnNote[] }>
/** A file that says more about items than their ids: titles, categories, prices. */
export type ItemData = With<Sent<Schemas['ItemMetaData']>, { report: ItemDataReport | null }>

/** A place for a model, which answers a share of the requests. */
export type DeploymentSlot = Sent<Schemas['DeploymentSlot']>

/** Clicks or purchases per list, with the bounds that hold with 95 % confidence, where there are any. */
export interface OffPolicyEstimate {
  value: number
  standard_error: number
  interval: [number, number] | null
}
export type OffPolicyWarning = 'small_sample' | 'little_support' | 'no_rewards'
export interface OffPolicyEstimates {
  requests: number
  live: OffPolicyEstimate
  ips: OffPolicyEstimate
  snips: OffPolicyEstimate
  doubly_robust: OffPolicyEstimate
  /** In users. */
  effective_sample_size: number
  /** Share of the shadow's items that somebody might have been shown in the same place. */
  support: number
  warnings: OffPolicyWarning[]
}
/** What another would have answered, called a shadow, beside what was answered. */
export interface ListComparison {
  trained_model: number
  since: string
  cutoff: number
  /** Only the newest requests were compared. */
  is_partial: boolean
  requests: number
  users: number
  agreement: { overlap: number; overlap_by_depth: number[]; rank_biased_overlap: number; identical: number } | null
  live: { items: number; coverage: number | null }
  shadow: { items: number; coverage: number | null }
  clicked: { items: number; live: number | null; shadow: number | null }
  purchased: { items: number; live: number | null; shadow: number | null }
  click_estimates: OffPolicyEstimates | null
  purchase_estimates: OffPolicyEstimates | null
}
/** Of a shadow slot. */
export interface SlotComparison extends ListComparison {
  slot: number
}
export type OffPolicyComparisonWarning = 'no_propensities' | 'nothing_varied' | 'mostly_left_out'
/** Of a model that may never have had any traffic. */
export interface OffPolicyComparison extends ListComparison {
  /** Earlier requests do not count. */
  learnt_until: string
  left_out: { learnt: number; special: number }
  warnings: OffPolicyComparisonWarning[]
}

export type AbStatus = 'DRAFT' | 'RUNNING' | 'COMPLETED' | 'CANCELLED'
export type AbMetric = 'ctr' | 'purchase_rate' | 'conversion_rate'
export interface AbTest {
  id: number
  project: number
  name: string
  status: AbStatus
  control_slot: number
  variant_slot: number
  target_metric_name: AbMetric
  min_sample_size: number
  confidence_level: number
  started_at: string | null
  ended_at: string | null
  winner_slot: number | null
}
export type NewAbTest = Pick<AbTest, 'project' | 'name' | 'control_slot' | 'variant_slot' | 'target_metric_name' | 'min_sample_size' | 'confidence_level'>
export interface AbResults {
  control_impressions: number
  control_conversions: number
  control_rate: number
  variant_impressions: number
  variant_conversions: number
  variant_rate: number
  z_score: number
  p_value: number
  significant: boolean
  /** The variant beside the control, in percent. */
  lift: number
  /** Of the difference of the two rates, as a fraction. */
  confidence_interval: [number, number]
  min_sample_size: number
  sufficient_data: boolean
  control_attributed_conversions: number
  variant_attributed_conversions: number
  /** Users as they were divided, beside the weights at the start; nothing before it. */
  sample_ratio: { control_users: number; variant_users: number; expected_control_share: number; p_value: number; suspicious: boolean } | null
  /** Holds however often one looks. The interval is of the lift, in percent. */
  sequential: { p_value: number; significant: boolean; lift_interval: [number, number] | null }
  /** For a single look. */
  lift_interval: [number, number] | null
  advice: 'keep_running' | 'variant_wins' | 'control_wins' | 'no_difference_found' | 'check_assignment'
  /** Impressions still to be collected. */
  needed_sample_size: { control: number; variant: number }
}

export type RunStatus = JobStatus | 'SKIPPED'
/** Nothing for the training data stands for the newest upload; nothing for the tolerance deploys without comparing. */
export type RetrainingSchedule = With<
  Sent<Schemas['RetrainingSchedule']>,
  { catch_up: 'once' | 'skip'; data_source: 'newest' | 'all'; event_types: EventType[]; last_run_status: RunStatus | null }
>
/** What the form of a schedule can change. */
export type RetrainingSettings = Omit<RetrainingSchedule, 'id' | 'project' | 'last_run_at' | 'last_run_status' | 'next_run_at' | 'ins_datetime' | 'updated_at'>
export type RetrainingRun = With<Sent<Schemas['RetrainingRun']>, { status: RunStatus; cause: 'manual' | 'schedule' }>
