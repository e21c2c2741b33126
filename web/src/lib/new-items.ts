/** What a search for models of new items adds to splits, searches and trials. */
import type { BesideNewItems, ColdBaseline, SplitConfig, SplitScheme, Trial, TuningJob } from '@/api/types'

/** Returns whether a split holds out all interactions of some items, which are new to the model. */
export const holdsOutItems = (scheme: SplitScheme) => scheme === 'CI' || scheme === 'TI'

/** Returns the share that a split holds out: of the items, or else of the interactions. */
export const heldOutShare = (split: SplitConfig) =>
  holdsOutItems(split.scheme) ? split.heldout_item_ratio : split.heldout_ratio

/** Returns what a search for models of new items compares them with; nothing for other searches. */
export const coldBaselines = (job: TuningJob): ColdBaseline[] | null => job.cold_baselines ?? null

/** What was measured beside the score of new items, in the order of its columns. */
export const BESIDE = ['warm', 'mixed', 'cold_share'] as const

/** Returns what was measured beside the score of new items; nothing in other searches. */
export const besideNewItems = (trial: Trial): BesideNewItems | null => trial.beside_new_items ?? null
