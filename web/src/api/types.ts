/**
 * The types of requests and answers, from the server's API document (`schema.d.ts`, written by `npm run api-types`).
 * This file only narrows them: words of a field, and objects whose content depends on the algorithm.
 * Ids of users and items are always exact strings.
 */
import type { ShownColumns } from './catalogue'
import type { Answer, Sent, Values } from './contract'
import type { Delivery, Destination } from './destinations'
import type { PipelineRun } from './pipelines'
import type { FeatureColumns, FeatureMeasurement, FeaturePreview, FeatureSet } from './features'
import type { Endpoint, MessageDetail } from './integrations'
import type { components } from './schema'
import type { Connection, Source, SourceRun } from './sources'
import type { StudioRun } from './studio'

type Schemas = components['schemas']
export type With<T, Sharper> = Omit<T, keyof Sharper> & Sharper
type Interval = [low: number, high: number]

/* Words of state, as the document lists them. */
export type DataStatus = Schemas['TrainingDataStatus']
export type EventType = Schemas['EventType']
export type SplitScheme = Schemas['SplitScheme']
export type TargetMetric = Schemas['TargetMetric']
export type JobStatus = Schemas['TuningJobStatus']
export type TrialStatus = Schemas['TrialStatus']
export type Scope = Schemas['Scope']
export type AuditAction = Schemas['AuditAction']
export type AbStatus = Schemas['ABTestStatus']
export type AbMetric = Schemas['ABTestMetric']
export type RunStatus = Schemas['RetrainingRunStatus']
export type CatchUp = Schemas['CatchUp']
export type ScheduledData = Schemas['DataSource']
export type RunCause = Schemas['RetrainingRunCause']

export type User = Schemas['UserDetails']
export type Project = Sent<Schemas['Project']>
export type NewProject = Pick<
  Project,
  'name' | 'user_column' | 'item_column' | 'time_column' | 'event_column'
> &
  Partial<Pick<Project, 'organisation'>>
/** The settings of a project that can change. */
export type ProjectSettings = Omit<NewProject, 'organisation'> &
  ShownColumns &
  Pick<Project, 'event_weights' | 'half_life_days' | 'unknown_user' | 'logged_share' | 'new_item_share'>
export type ProjectSummary = Sent<Schemas['ProjectSummary']>

export type RejectedRow = Schemas['RejectedRow']
export type EventCount = Schemas['EventCount']
/** Reports of files read without an event column have no events; older reports have less about how a file was read. */
export type DataReport = With<
  Sent<Schemas['DataReport']>,
  { events?: EventCount[]; notes?: ColumnNote[]; late_times?: LateTimes | null }
>
/** A source of combined training data. */
export type DataSource =
  | Extract<Schemas['TrainingDataSource'], { kind: 'upload' }>
  | With<Extract<Schemas['TrainingDataSource'], { kind: 'events' }>, { event_types: EventType[] }>
export type TrainingData = With<
  Sent<Schemas['TrainingData']>,
  {
    status: DataStatus
    report: DataReport | null
    sources?: DataSource[] | null
    sha256?: string | null
    origin?: DataOrigin | null
    standing?: DataStanding
  }
>
/** The source that data was read from, with the bounds of its window. */
export type DataOrigin = Schemas['UploadOrigin']
export type DataStanding = Schemas['UploadStanding']

export type DataPreview = Answer<'get', '/training_data/{id}/preview/'>

export type SplitConfig = With<Sent<Schemas['SplitConfig']>, { scheme: SplitScheme }>
/** Each scheme has the shares that it uses. */
export type NewSplitConfig = Pick<Schemas['SplitConfig'], 'scheme' | 'test_user_ratio' | 'random_seed'> &
  Partial<Pick<SplitConfig, 'heldout_ratio' | 'heldout_item_ratio'>>

export type EvaluationConfig = With<Sent<Schemas['EvaluationConfig']>, { target_metric: TargetMetric }>
export type NewEvaluationConfig = Pick<EvaluationConfig, 'cutoff' | 'target_metric'>

export type Estimate = Schemas['Estimate']
export type BesideNewItems = Sent<Schemas['BesideNewItems']>
/** What recommendations of new items have to beat. */
export type ColdBaseline = With<
  Schemas['ColdBaselineScore'],
  { name: 'random' | 'popularity_from_features' | 'content_knn'; beside_new_items: BesideNewItems | null }
>

export type TuningJob = With<
  Sent<Schemas['TuningJob']>,
  { status: JobStatus; warnings?: string[]; cold_baselines?: ColdBaseline[] | null }
>
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

export type Trial = With<
  Sent<Schemas['Trial']>,
  {
    status: TrialStatus
    interval: Interval | null
    metrics: Record<string, number> | null
    beside_new_items?: BesideNewItems | null
  }
>

export type ModelConfiguration = Sent<Schemas['ModelConfiguration']>

export type TrainedModel = With<
  Sent<Schemas['TrainedModel']>,
  { status: JobStatus; metrics: Record<string, number> | null; lineage: Values | null }
>

/** The title is a readable name, if the server knows one from item metadata. A `cold` item is not in the training data. */
export type ScoredItem = Schemas['ScoredItem']

export type AlgorithmParameter = Sent<Schemas['Parameter']>
export type Algorithm = With<Sent<Schemas['Algorithm']>, { parameters: AlgorithmParameter[] }>

export type ApiKey = With<Sent<Schemas['ApiKey']>, { scopes: Scope[] }>

/** The answer to creating a key: the only one that contains the key itself. */
export type CreatedApiKey = Answer<'post', '/api_keys/'>

export type Role = Schemas['Role']
export type AuthOptions = Answer<'get', '/auth/options/'>
export type UserSession = Schemas['Session']
/** An account as staff see it. */
export type Account = Sent<Schemas['User']>
export type ResetLink = Answer<'post', '/users/{id}/password_reset_link/'>

/** Staff act as owners everywhere. */
export type Organisation = Schemas['Organisation']
export type Member = Schemas['Member']
export type Invitation = Schemas['Invitation']
/** The answer to an invitation: the only one that contains its address. */
export type CreatedInvitation = Answer<'post', '/organisation/{id}/invitations/'>
/** What the holder of an invitation sees before accepting it. */
export type InvitationOffer = Answer<'post', '/invitation/look_up/'>

export type AuditEntry = With<
  Sent<Schemas['AuditEntry']>,
  { action: AuditAction; before: Values | null; after: Values | null }
>

export type ColumnNote = Sent<Schemas['ColumnNote']>
export type LateTimes = Sent<Schemas['LateTimes']>
export type MetaDataColumn = Schemas['ColumnReport']
/** Reports of older files have no columns and no notes. */
export type MetaDataReport = With<
  Sent<Schemas['MetaDataReport']>,
  { columns?: MetaDataColumn[]; notes?: ColumnNote[] }
>
/** A file with metadata: titles, categories and prices of items, or profiles of users. */
export type MetaData = With<Sent<Schemas['ItemMetaData']>, { report: MetaDataReport | null }>

/** A slot with a model that answers a share of the requests. */
export type DeploymentSlot = Sent<Schemas['DeploymentSlot']>

/** Clicks or purchases per list, with bounds at 95 % confidence, if there are any. */
export type OffPolicyEstimate = With<Sent<Schemas['OffPolicyEstimate']>, { interval: Interval | null }>
type Estimated = 'live' | 'ips' | 'snips' | 'doubly_robust'
export type OffPolicyEstimates = With<Schemas['OffPolicyEstimates'], Record<Estimated, OffPolicyEstimate>>
type ComparedLists = {
  agreement: Schemas['ListAgreement'] | null
  live: Sent<Schemas['ShownItems']>
  shadow: Sent<Schemas['ShownItems']>
  clicked: Sent<Schemas['ListHits']>
  purchased: Sent<Schemas['ListHits']>
  click_estimates: OffPolicyEstimates | null
  purchase_estimates: OffPolicyEstimates | null
}
/** Recommendations of a shadow slot, compared with those that were served. */
export type SlotComparison = With<Schemas['SlotComparison'], ComparedLists>
/** Recommendations of a model that may never have had any traffic, compared with those that were served. */
export type OffPolicyComparison = With<Schemas['OffPolicyComparison'], ComparedLists>
export type ListComparison = SlotComparison | OffPolicyComparison

export type AbTest = With<Sent<Schemas['ABTest']>, { status: AbStatus; target_metric_name: AbMetric }>
export type NewAbTest = Pick<
  AbTest,
  | 'project'
  | 'name'
  | 'control_slot'
  | 'variant_slot'
  | 'target_metric_name'
  | 'min_sample_size'
  | 'confidence_level'
>
export type AbResults = With<
  Sent<Schemas['ABTestResults']>,
  {
    /** Of the difference of the two rates, as a fraction. */
    confidence_interval: Interval
    /** Of the lift, in percent, for a single look. */
    lift_interval: Interval | null
    /** Valid for any number of looks. The interval is of the lift, in percent. */
    sequential: With<Schemas['ABTestSequential'], { lift_interval: Interval | null }>
  }
>

/** Null for the training data means the newest upload; null for the tolerance deploys without comparing. */
export type RetrainingSchedule = With<
  Sent<Schemas['RetrainingSchedule']>,
  {
    catch_up: CatchUp
    data_source: ScheduledData
    event_types: EventType[]
    last_run_status: RunStatus | null
  }
>
/** The fields of a schedule that its form can change. */
export type RetrainingSettings = Omit<
  RetrainingSchedule,
  'id' | 'project' | 'last_run_at' | 'last_run_status' | 'next_run_at' | 'ins_datetime' | 'updated_at'
>
export type RetrainingRun = With<Sent<Schemas['RetrainingRun']>, { status: RunStatus; cause: RunCause }>

/** Answers with narrower types than in the document, by the name of their schema there: `client.ts` returns these. */
export interface Sharper {
  ABTest: AbTest
  ABTestResults: AbResults
  Algorithm: Algorithm
  ApiKey: ApiKey
  AuditEntry: AuditEntry
  DataConnection: Connection
  Delivery: Delivery
  PipelineRun: PipelineRun
  Destination: Destination
  EvaluationConfig: EvaluationConfig
  FeatureColumns: FeatureColumns
  FeatureMeasurement: FeatureMeasurement
  FeaturePreview: FeaturePreview
  FeatureSet: FeatureSet
  ItemMetaData: MetaData
  OffPolicyComparison: OffPolicyComparison
  RetrainingRun: RetrainingRun
  RetrainingSchedule: RetrainingSchedule
  ScoredItem: ScoredItem
  SlotComparison: SlotComparison
  Source: Source
  SourceRun: SourceRun
  SplitConfig: SplitConfig
  StudioRun: StudioRun
  TrainedModel: TrainedModel
  TrainingData: TrainingData
  Trial: Trial
  TuningJob: TuningJob
  WebhookEndpoint: Endpoint
  WebhookMessageDetail: MessageDetail
}
