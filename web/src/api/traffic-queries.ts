/** Queries about slots, A/B tests and retraining. */
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get, listAll } from './client'
import { known, num, type Id } from './queries'
import type { AbTest, RetrainingRun } from './types'

const RESULTS_POLL_MS = 10_000
const RUN_POLL_MS = 5_000
/** A comparison reads many rows, and changes slowly. */
const COMPARISON_POLL_MS = 60_000

export const useSlots = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['slots', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/deployment_slot/', { query: { project: num(project) }, signal }),
    enabled: known(project),
  })

export const useSlot = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['slots', toValue(id)]),
    queryFn: ({ signal }) => get('/deployment_slot/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
  })

/** Returns the lists that a shadow slot would have answered during the last days, compared with those that were answered. */
export const useSlotComparison = (id: Id, days: MaybeRefOrGetter<number>) =>
  useQuery({
    queryKey: computed(() => ['slots', toValue(id), 'comparison', toValue(days)]),
    queryFn: ({ signal }) =>
      get('/deployment_slot/{id}/comparison/', {
        path: { id: num(id) },
        query: { days: toValue(days) },
        signal,
      }),
    enabled: known(id),
    refetchInterval: COMPARISON_POLL_MS,
  })

/** Returns what a model would have recommended and earned during the last days; costly, so only on request. */
export const useOffPolicy = (id: Id, days: MaybeRefOrGetter<number>, wanted: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['models', toValue(id), 'off-policy', toValue(days)]),
    queryFn: ({ signal }) =>
      get('/trained_model/{id}/off_policy/', {
        path: { id: num(id) },
        query: { days: toValue(days) },
        signal,
      }),
    enabled: computed(() => toValue(wanted)),
    staleTime: COMPARISON_POLL_MS,
    refetchOnWindowFocus: false,
  })

export const useAbTests = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['ab-tests', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/ab_test/', { query: { project: num(project) }, signal }),
    enabled: known(project),
  })

export const useAbTest = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['ab-tests', toValue(id)]),
    queryFn: ({ signal }) => get('/ab_test/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
  })

/** Returns the results of a test. A draft has none: earlier events of its slots are not counted. */
export const useAbResults = (test: MaybeRefOrGetter<AbTest | undefined>) =>
  useQuery({
    queryKey: computed(() => ['ab-tests', toValue(test)?.id, 'results']),
    queryFn: ({ signal }) => get('/ab_test/{id}/results/', { path: { id: toValue(test)?.id ?? 0 }, signal }),
    enabled: computed(() => !!toValue(test) && toValue(test)?.status !== 'DRAFT'),
    refetchInterval: () => (toValue(test)?.status === 'RUNNING' ? RESULTS_POLL_MS : false),
  })

/** Returns the schedule of a project, or null. */
export const useSchedule = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['schedules', 'of', toValue(project)]),
    queryFn: async ({ signal }) =>
      (await listAll('/retraining_schedule/', { query: { project: num(project) }, signal }))[0] ?? null,
    enabled: known(project),
  })

export const isActiveRun = (run: RetrainingRun) => run.status === 'PENDING' || run.status === 'RUNNING'

/** Returns the runs of a project, including those of deleted schedules. */
export const useRuns = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['runs', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/retraining_run/', { query: { project: num(project) }, signal }),
    enabled: known(project),
    refetchInterval: (query) => (query.state.data?.some(isActiveRun) ? RUN_POLL_MS : false),
  })
