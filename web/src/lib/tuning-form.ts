import type { NewSplitConfig, SplitScheme, TargetMetric } from '@/api/types'
import { holdsOutItems } from './new-items'

/** The fields of the search wizard, with defaults that suit most data. */
export interface TuningForm {
  data: number | null
  algorithms: string[]
  scheme: SplitScheme
  heldoutRatio: number
  heldoutItemRatio: number
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
  heldoutItemRatio: 0.2,
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

/** Returns the split without the fields that its scheme does not use. */
export function splitOf(form: TuningForm): NewSplitConfig {
  const { scheme, heldoutRatio, heldoutItemRatio, testUserRatio, seed } = form
  return {
    scheme,
    ...(scheme === 'TI' ? {} : { heldout_ratio: heldoutRatio }),
    ...(holdsOutItems(scheme) ? { heldout_item_ratio: heldoutItemRatio } : {}),
    test_user_ratio: testUserRatio,
    random_seed: seed,
  }
}

const isPart = (ratio: number) => ratio > 0 && ratio < 1

/** Returns whether the shares that the scheme uses are possible. */
export function canSplit(form: TuningForm): boolean {
  const { heldout_ratio: interactions, heldout_item_ratio: items } = splitOf(form)
  return [interactions, items].every((ratio) => ratio === undefined || isPart(ratio))
}
