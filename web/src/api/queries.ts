/** Every read of the UI as a cached query; keys start with the resource's name, so that writes can refresh them. */
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get, listAll, path } from './client'
import type {
  Algorithm,
  ApiKey,
  DataPreview,
  ItemData,
  ModelConfiguration,
  Project,
  ProjectSummary,
  SplitConfig,
  TrainedModel,
  TrainingData,
  Trial,
  TuningJob,
} from './types'

export type Id = MaybeRefOrGetter<number | null | undefined>
export const known = (id: Id) => computed(() => toValue(id) !== null && toValue(id) !== undefined)
export const num = (id: Id) => toValue(id) as number

export const isActiveJob = (job: TuningJob | undefined) => job?.status === 'PENDING' || job?.status === 'RUNNING'
export const isActiveModel = (model: TrainedModel | undefined) =>
  model?.status === 'PENDING' || model?.status === 'RUNNING'

const ACTIVE_POLL_MS = 4_000

export const useProjects = () =>
  useQuery({ queryKey: ['projects'], queryFn: ({ signal }) => listAll<Project>(path('project'), {}, signal) })

export const useProject = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['projects', toValue(id)]),
    queryFn: ({ signal }) => get<Project>(path('project', num(id)), {}, signal),
    enabled: known(id),
    staleTime: 60_000,
  })

export const useProjectSummary = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['summary', toValue(id)]),
    queryFn: ({ signal }) => get<ProjectSummary>(path('project_summary', num(id)), {}, signal),
    enabled: known(id),
  })

export const useDataList = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['data', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll<TrainingData>(path('training_data'), { project: num(project) }, signal),
    enabled: known(project),
    refetchInterval: (query) => (query.state.data?.some((row) => row.status === 'preparing') ? 2_000 : false),
  })

export const useData = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['data', toValue(id)]),
    queryFn: ({ signal }) => get<TrainingData>(path('training_data', num(id)), {}, signal),
    enabled: known(id),
    refetchInterval: (query) => (query.state.data?.status === 'preparing' ? 2_000 : false),
  })

export const useDataPreview = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['data', toValue(id), 'preview']),
    queryFn: ({ signal }) => get<DataPreview>(path('training_data', num(id), 'preview'), { n_rows: 50 }, signal),
    enabled: known(id),
    staleTime: Infinity,
  })

export const useItemData = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['item-data', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll<ItemData>(path('item_meta_data'), { project: num(project) }, signal),
    enabled: known(project),
  })

export const useItemDataPreview = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['item-data', toValue(id), 'preview']),
    queryFn: ({ signal }) => get<DataPreview>(path('item_meta_data', num(id), 'preview'), { n_rows: 50 }, signal),
    enabled: known(id),
    staleTime: Infinity,
  })

export const useJobs = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['jobs', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll<TuningJob>(path('parameter_tuning_job'), { data__project: num(project) }, signal),
    enabled: known(project),
    refetchInterval: (query) => (query.state.data?.some(isActiveJob) ? ACTIVE_POLL_MS : false),
  })

/** `live` is true while a socket reports changes; then polling is only a slow safety net. */
export const useJob = (id: Id, live: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['jobs', toValue(id)]),
    queryFn: ({ signal }) => get<TuningJob>(path('parameter_tuning_job', num(id)), {}, signal),
    enabled: known(id),
    refetchInterval: (query) => {
      if (!isActiveJob(query.state.data)) return awaitsModel(query.state.data) ? ACTIVE_POLL_MS : false
      return toValue(live) ? 20_000 : ACTIVE_POLL_MS
    },
  })

/** A finished job whose model is still being trained: `tuned_model` appears a little later. */
function awaitsModel(job: TuningJob | undefined): boolean {
  if (!job || job.status !== 'COMPLETED' || !job.train_after_tuning || job.tuned_model !== null) return false
  const finished = Date.parse(job.finished_at ?? job.ins_datetime)
  return Date.now() - finished < 3_600_000
}

export const useTrials = (id: Id, active: MaybeRefOrGetter<boolean>, live: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['jobs', toValue(id), 'trials']),
    queryFn: ({ signal }) => listAll<Trial>(path('parameter_tuning_job', num(id), 'trials'), {}, signal),
    enabled: known(id),
    refetchInterval: () => (toValue(active) ? (toValue(live) ? 20_000 : ACTIVE_POLL_MS) : false),
  })

export const useSplit = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['split', toValue(id)]),
    queryFn: ({ signal }) => get<SplitConfig>(path('split_config', num(id)), {}, signal),
    enabled: known(id),
    staleTime: 60_000,
  })

export const useModels = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['models', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll<TrainedModel>(path('trained_model'), { data_loc__project: num(project) }, signal),
    enabled: known(project),
    refetchInterval: (query) => (query.state.data?.some(isActiveModel) ? ACTIVE_POLL_MS : false),
  })

export const useModel = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['models', toValue(id)]),
    queryFn: ({ signal }) => get<TrainedModel>(path('trained_model', num(id)), {}, signal),
    enabled: known(id),
    refetchInterval: (query) => (isActiveModel(query.state.data) ? ACTIVE_POLL_MS : false),
  })

export const useConfiguration = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['configurations', toValue(id)]),
    queryFn: ({ signal }) => get<ModelConfiguration>(path('model_configuration', num(id)), {}, signal),
    enabled: known(id),
    staleTime: 60_000,
  })

export const useConfigurations = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['configurations', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll<ModelConfiguration>(path('model_configuration'), { project: num(project) }, signal),
    enabled: known(project),
  })

export const useAlgorithms = () =>
  useQuery({
    queryKey: ['algorithms'],
    queryFn: ({ signal }) => listAll<Algorithm>(path('algorithms'), {}, signal),
    staleTime: Infinity,
  })

export const useApiKeys = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['keys', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll<ApiKey>(path('api_keys'), { project: num(project) }, signal),
    enabled: known(project),
  })
