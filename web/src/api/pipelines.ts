/** Pipeline runs: from new rows to delivered lists. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue } from 'vue'
import { get } from './client'
import type { Sent } from './contract'
import { known, num, type Id } from './queries'
import type { components } from './schema'
import type { With } from './types'

type Schemas = components['schemas']

export type PipelineState = Schemas['PipelineState']
export type PipelineStage = Sent<Schemas['PipelineStage']>
export type PipelinePart = Sent<Schemas['PipelinePart']>
export type PipelineRun = With<
  Sent<Schemas['PipelineRun']>,
  {
    stages: PipelineStage[]
    source_runs: PipelinePart[]
    deliveries: PipelinePart[]
    gate: Sent<Schemas['PipelineGate']> | null
  }
>

export const PIPELINE_PAGE = 20
const POLL_MS = 2_000
const IDLE_POLL_MS = 30_000

const isUnderWay = (run: Pick<PipelineRun, 'state'>) => run.state === 'waiting' || run.state === 'running'

/** Returns a page of the pipeline runs of a project: often while one is under way, and now and then for those that begin. */
export const usePipelineRuns = (project: Id, page: () => number) =>
  useQuery({
    queryKey: computed(() => ['pipeline-runs', 'of', toValue(project), page()]),
    queryFn: ({ signal }) =>
      get('/pipeline_run/', {
        query: { project: num(project), page: page(), page_size: PIPELINE_PAGE },
        signal,
      }),
    enabled: known(project),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => (query.state.data?.results.some(isUnderWay) ? POLL_MS : IDLE_POLL_MS),
  })
