import type { SplitScheme, TargetMetric } from '@/api/types'

/** The fields of the search wizard, with defaults that suit most data. */
export interface TuningForm {
  data: number | null
  algorithms: string[]
  scheme: SplitScheme
  heldoutRatio: number
  testUserRatio: number
  seed: number
  metric: TargetMetric
  cutoff: number
  trials: number
  parallel: number
  timeoutOverall: number | null
  timeoutSingle: number | null
  memory: number
  train: boolean
  searchWeights: boolean
}

export const newTuningForm = (): TuningForm => ({
  data: null,
  algorithms: [],
  scheme: 'RG',
  heldoutRatio: 0.2,
  testUserRatio: 0.5,
  seed: 42,
  metric: 'ndcg',
  cutoff: 20,
  trials: 40,
  parallel: 2,
  timeoutOverall: null,
  timeoutSingle: null,
  memory: 2048,
  train: true,
  searchWeights: false,
})
