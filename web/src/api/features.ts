/**
 * Feature sets and measurements of their fields: types of the bodies and every call. `schema.d.ts` does not describe these
 * addresses, so they are written here; with the document's, only the types and `Untyped` change.
 */
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get, listAll, patch, post, remove } from './client'
import { known, num, type Id } from './queries'
import type { JobStatus } from './types'

export type FieldKind = 'text' | 'category' | 'number' | 'time' | 'vector'

export type Derivation =
  | { extract: { pattern: string } }
  | { split: { separator: string } }
  | { bucket: { width: number } }
  | 'log'
  | 'age'
  | { cross: { with: string } }

export interface FieldOptions {
  separator?: string
  min_count?: number
  max_terms?: number
  word_pairs?: boolean
  log?: boolean
  knots?: number
  calendar?: boolean
  lenient?: boolean
}

/** How one column is encoded. */
export interface Field {
  column: string
  kind: FieldKind
  weight?: number
  derive?: Derivation[]
  options?: FieldOptions
}

export interface FeatureSpec {
  version: 1
  fields: Field[]
}

/** An immutable version of a named spec. */
export interface FeatureSet {
  id: number
  project: number
  name: string
  target: 'items'
  version: number
  spec: FeatureSpec
  spec_sha256: string
  is_current: boolean
  created_by: number | null
  ins_datetime: string
}

export interface NewFeatureSet {
  project: number
  name: string
  spec: FeatureSpec
  is_current: boolean
}

/** A column of the newest item metadata. The guessed kind is null for a column to leave out. */
export interface FeatureColumn {
  column: string
  kind: FieldKind | null
  reason: string
  coverage: number
  n_distinct: number
  examples: string[]
}

export interface FeatureColumns {
  item_meta_data: number
  n_items: number
  columns: FeatureColumn[]
  /** The guessed spec. */
  spec: FeatureSpec
}

export interface EncodedField {
  column: string
  kind: FieldKind
  /** The heaviest terms first; `n_terms` may be more. */
  terms: { term: string; weight: number }[]
  n_terms: number
}

export interface FeaturePreview {
  items: { item_id: string; fields: EncodedField[] }[]
  /** In the order of the fields of the spec. */
  fields: { column: string; n_columns: number; empty_share: number }[]
  neighbours: {
    item_id: string
    items: { item_id: string; score: number; terms: string[] }[]
  } | null
}

/** A mean with its 95 % interval. */
export interface Estimate {
  mean: number
  low: number
  high: number
}

/** How much the ndcg of new items falls when the field is left out, with its 95 % interval. */
export interface Worth {
  field: number
  column: string
  worth: number
  low: number
  high: number
  is_noise: boolean
}

export interface MeasurementResult {
  n_users: number
  n_items: number
  n_cold: number
  cutoff: number
  ndcg: Estimate
  baselines: { random: Estimate; popularity_from_features: Estimate; content_knn: Estimate }
  fields: Worth[]
}

export interface FeatureMeasurement {
  id: number
  project: number
  feature_set: number
  data: number
  algorithm: string
  status: JobStatus
  progress: { done: number; total: number } | null
  error: string | null
  ins_datetime: string
  end_datetime: string | null
  result: MeasurementResult | null
}

interface Call {
  path?: { id: number }
  query?: Record<string, string | number>
  body?: unknown
  signal?: AbortSignal
}
type Untyped = <Answer>(address: string, call?: Call) => Promise<Answer>
const untyped = { get, listAll, post, patch, remove } as unknown as Record<
  'get' | 'listAll' | 'post' | 'patch' | 'remove',
  Untyped
>

const MEASUREMENT_POLL_MS = 2_000
const COLUMNS_POLL_MS = 3_000

export const isActiveMeasurement = (row: FeatureMeasurement) =>
  row.status === 'PENDING' || row.status === 'RUNNING'

/** Returns every version of every set of a project, newest first. */
export const useFeatureSets = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['feature-sets', 'of', toValue(project)]),
    queryFn: ({ signal }) =>
      untyped.listAll<FeatureSet[]>('/feature_sets/', { query: { project: num(project) }, signal }),
    enabled: known(project),
  })

/** Returns the columns of the newest item metadata; asks again while a file is being read. */
export const useFeatureColumns = (project: Id, preparing: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['feature-columns', toValue(project)]),
    queryFn: ({ signal }) =>
      untyped.get<FeatureColumns>('/feature_sets/columns/', { query: { project: num(project) }, signal }),
    enabled: known(project),
    refetchInterval: () => (toValue(preparing) ? COLUMNS_POLL_MS : false),
  })

export const useFeatureMeasurements = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['feature-measurements', 'of', toValue(project)]),
    queryFn: ({ signal }) =>
      untyped.listAll<FeatureMeasurement[]>('/feature_measurements/', {
        query: { project: num(project) },
        signal,
      }),
    enabled: known(project),
    refetchInterval: (query) => (query.state.data?.some(isActiveMeasurement) ? MEASUREMENT_POLL_MS : false),
  })

export const createFeatureSet = (body: NewFeatureSet) => untyped.post<FeatureSet>('/feature_sets/', { body })

export const makeFeatureSetCurrent = (id: number) =>
  untyped.patch<FeatureSet>('/feature_sets/{id}/', { path: { id }, body: { is_current: true } })

export const deleteFeatureSet = (id: number) =>
  untyped.remove<undefined>('/feature_sets/{id}/', { path: { id } })

export const previewFeatures = (
  body: { project: number; spec: FeatureSpec; item_id?: string },
  signal: AbortSignal,
) => untyped.post<FeaturePreview>('/feature_sets/preview/', { body, signal })

export const startMeasurement = (body: { feature_set: number; data: number; algorithm: string }) =>
  untyped.post<FeatureMeasurement>('/feature_measurements/', { body })

/** Deletes a measurement, and cancels it if it waits or runs. */
export const deleteMeasurement = (id: number) =>
  untyped.remove<undefined>('/feature_measurements/{id}/', { path: { id } })
