/**
 * Feature sets and measurements of their fields: every call, and the content of a spec, which the API document calls an object.
 */
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get, listAll, patch, post, remove } from './client'
import type { Sent } from './contract'
import { known, num, type Id } from './queries'
import type { components } from './schema'
import type { Estimate, With } from './types'

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

export type FeatureSpec = { version: 1; fields: Field[] }

type Schemas = components['schemas']

/** An immutable version of a named spec. */
export type FeatureSet = With<Sent<Schemas['FeatureSet']>, { spec: FeatureSpec }>
/** A column of the newest item metadata. The guessed kind is null for a column to leave out. */
export type FeatureColumn = With<Sent<Schemas['FeatureColumn']>, { kind: FieldKind | null }>
export type FeatureColumns = With<Schemas['FeatureColumns'], { columns: FeatureColumn[]; spec: FeatureSpec }>
export type EncodedField = With<Schemas['EncodedItemField'], { kind: FieldKind }>
export type FeaturePreview = With<
  Schemas['FeaturePreview'],
  { items: { item_id: string; fields: EncodedField[] }[] }
>
/** How much the ndcg of new items falls when the field is left out, with its 95 % interval. */
export type Worth = Schemas['MeasuredField']
export type MeasurementResult = With<
  Schemas['MeasurementResult'],
  { baselines: Record<'random' | 'popularity_from_features' | 'content_knn', Estimate> }
>
export type FeatureMeasurement = With<
  Sent<Schemas['FeatureMeasurement']>,
  { result: MeasurementResult | null }
>

const MEASUREMENT_POLL_MS = 2_000
const COLUMNS_POLL_MS = 3_000

export const isActiveMeasurement = (row: FeatureMeasurement) =>
  row.status === 'PENDING' || row.status === 'RUNNING'

/** Returns every version of every set of a project, newest first. */
export const useFeatureSets = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['feature-sets', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/feature_sets/', { query: { project: num(project) }, signal }),
    enabled: known(project),
  })

/** Returns the columns of the newest item metadata; asks again while a file is being read. */
export const useFeatureColumns = (project: Id, preparing: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['feature-columns', toValue(project)]),
    queryFn: ({ signal }) => get('/feature_sets/columns/', { query: { project: num(project) }, signal }),
    enabled: known(project),
    refetchInterval: () => (toValue(preparing) ? COLUMNS_POLL_MS : false),
  })

export const useFeatureMeasurements = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['feature-measurements', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/feature_measurements/', { query: { project: num(project) }, signal }),
    enabled: known(project),
    refetchInterval: (query) => (query.state.data?.some(isActiveMeasurement) ? MEASUREMENT_POLL_MS : false),
  })

export const createFeatureSet = (body: {
  project: number
  name: string
  spec: FeatureSpec
  is_current: boolean
}) => post('/feature_sets/', { body })

export const makeFeatureSetCurrent = (id: number) =>
  patch('/feature_sets/{id}/', { path: { id }, body: { is_current: true } })

export const deleteFeatureSet = (id: number) => remove('/feature_sets/{id}/', { path: { id } })

export const previewFeatures = (
  body: { project: number; spec: FeatureSpec; item_id?: string },
  signal: AbortSignal,
) => post('/feature_sets/preview/', { body, signal })

export const startMeasurement = (body: { feature_set: number; data: number; algorithm: string }) =>
  post('/feature_measurements/', { body })

/** Deletes a measurement, and cancels it if it waits or runs. */
export const deleteMeasurement = (id: number) => remove('/feature_measurements/{id}/', { path: { id } })
