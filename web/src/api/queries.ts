/** Every read of the UI as a cached query; keys start with the name of the resource, so that writes can refresh them. */
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get, listAll } from './client'
import { queryKeyOf, routeOf, type Subject } from './meta-data'
import { readTrials } from './trials'
import type { TrainedModel, Trial, TuningJob } from './types'

export type Id = MaybeRefOrGetter<number | null | undefined>
export const known = (id: Id) => computed(() => toValue(id) !== null && toValue(id) !== undefined)
export const num = (id: Id) => toValue(id) as number

export const isActiveJob = (job: TuningJob | undefined) =>
  job?.status === 'PENDING' || job?.status === 'RUNNING'
export const isActiveModel = (model: TrainedModel | undefined) =>
  model?.status === 'PENDING' || model?.status === 'RUNNING'

const ACTIVE_POLL_MS = 4_000

export const useProjects = () =>
  useQuery({ queryKey: ['projects'], queryFn: ({ signal }) => listAll('/project/', { signal }) })

export const useProject = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['projects', toValue(id)]),
    queryFn: ({ signal }) => get('/project/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
    staleTime: 60_000,
  })

export const useProjectSummary = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['summary', toValue(id)]),
    queryFn: ({ signal }) => get('/project_summary/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
  })

export const useDataList = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['data', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/training_data/', { query: { project: num(project) }, signal }),
    enabled: known(project),
    refetchInterval: (query) => (query.state.data?.some((row) => row.status === 'preparing') ? 2_000 : false),
  })

export const useData = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['data', toValue(id)]),
    queryFn: ({ signal }) => get('/training_data/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
    refetchInterval: (query) => (query.state.data?.status === 'preparing' ? 2_000 : false),
  })

export const useDataPreview = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['data', toValue(id), 'preview']),
    queryFn: ({ signal }) =>
      get('/training_data/{id}/preview/', { path: { id: num(id) }, query: { n_rows: 50 }, signal }),
    enabled: known(id),
    staleTime: Infinity,
  })

export const useMetaData = (subject: Subject, project: Id) =>
  useQuery({
    queryKey: computed(() => [queryKeyOf(subject), 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll(routeOf(subject), { query: { project: num(project) }, signal }),
    enabled: known(project),
    refetchInterval: (query) => (query.state.data?.some((row) => row.status === 'preparing') ? 2_000 : false),
  })

export const useItemData = (project: Id) => useMetaData('items', project)

export const useMetaDataPreview = (subject: Subject, id: Id) =>
  useQuery({
    queryKey: computed(() => [queryKeyOf(subject), toValue(id), 'preview']),
    queryFn: ({ signal }) =>
      get(`${routeOf(subject)}{id}/preview/`, { path: { id: num(id) }, query: { n_rows: 50 }, signal }),
    enabled: known(id),
    staleTime: Infinity,
  })

export const useJobs = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['jobs', 'of', toValue(project)]),
    queryFn: ({ signal }) =>
      listAll('/parameter_tuning_job/', { query: { data__project: num(project) }, signal }),
    enabled: known(project),
    refetchInterval: (query) => (query.state.data?.some(isActiveJob) ? ACTIVE_POLL_MS : false),
  })

/** Returns a search. `live` is true while a socket reports changes; then polling is only a slow safety net. */
export const useJob = (id: Id, live: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['jobs', toValue(id)]),
    queryFn: ({ signal }) => get('/parameter_tuning_job/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
    refetchInterval: (query) => {
      if (!isActiveJob(query.state.data)) return awaitsModel(query.state.data) ? ACTIVE_POLL_MS : false
      return toValue(live) ? 20_000 : ACTIVE_POLL_MS
    },
  })

/** Returns whether a finished job's model is still being trained: `tuned_model` is set a little later. */
function awaitsModel(job: TuningJob | undefined): boolean {
  if (!job || job.status !== 'COMPLETED' || !job.train_after_tuning || job.tuned_model !== null) return false
  const finished = Date.parse(job.finished_at ?? job.ins_datetime)
  return Date.now() - finished < 3_600_000
}

export const useTrials = (id: Id, active: MaybeRefOrGetter<boolean>, live: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['jobs', toValue(id), 'trials']),
    queryFn: ({ client, queryKey, signal }) =>
      readTrials(num(id), client.getQueryData<Trial[]>(queryKey) ?? [], signal),
    enabled: known(id),
    refetchInterval: () => (toValue(active) ? (toValue(live) ? 20_000 : ACTIVE_POLL_MS) : false),
  })

export const useSplit = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['split', toValue(id)]),
    queryFn: ({ signal }) => get('/split_config/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
    staleTime: 60_000,
  })

export const useModels = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['models', 'of', toValue(project)]),
    queryFn: ({ signal }) =>
      listAll('/trained_model/', { query: { data_loc__project: num(project) }, signal }),
    enabled: known(project),
    refetchInterval: (query) => (query.state.data?.some(isActiveModel) ? ACTIVE_POLL_MS : false),
  })

export const useModel = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['models', toValue(id)]),
    queryFn: ({ signal }) => get('/trained_model/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
    refetchInterval: (query) => (isActiveModel(query.state.data) ? ACTIVE_POLL_MS : false),
  })

export const useConfiguration = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['configurations', toValue(id)]),
    queryFn: ({ signal }) => get('/model_configuration/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
    staleTime: 60_000,
  })

export const useConfigurations = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['configurations', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/model_configuration/', { query: { project: num(project) }, signal }),
    enabled: known(project),
  })

export const useAlgorithms = () =>
  useQuery({
    queryKey: ['algorithms'],
    queryFn: ({ signal }) => listAll('/algorithms/', { signal }),
    staleTime: Infinity,
  })

export const useApiKeys = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['keys', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/api_keys/', { query: { project: num(project) }, signal }),
    enabled: known(project),
  })
