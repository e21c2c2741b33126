/** What a result is worth, in words: numbers of metrics say nothing to readers who have never seen one. */
import type { StudioResult } from '@/api/studio'

/** A ratio nearer to 1 than this is no difference that a user would notice. */
const SAME = 0.05

/** Names of metrics as papers write them. */
const METRICS: Record<string, string> = { ndcg: 'NDCG', map: 'MAP', recall: 'Recall', hit: 'Hit' }
/** Returns the name of a metric with the length of the lists that it judges, such as `NDCG@10`. */
export const metricAt = (metric: string, cutoff: number) => `${METRICS[metric] ?? metric}@${cutoff}`

export interface Quality {
  /** The key of the sentence below `studio.quality`. */
  key: 'times' | 'timesAsWell' | 'same' | 'worse' | 'fromNothing' | 'unmeasured'
  ratio: number | null
}

/** Metrics that count how many of the held-out items are in the list; the others judge their order, too. */
const COUNTING = ['recall', 'hit', 'precision', 'hit_rate']

/** Returns what a result is worth; without interactions there is none. */
export function qualityOf(
  result: Pick<StudioResult, 'metric' | 'score' | 'popularity_score'> | null,
): Quality {
  if (!result) return { key: 'unmeasured', ratio: null }
  const { score, popularity_score: popularity } = result
  if (popularity <= 0) return { key: score > 0 ? 'fromNothing' : 'same', ratio: null }
  const ratio = score / popularity
  if (Math.abs(ratio - 1) < SAME) return { key: 'same', ratio }
  if (ratio < 1) return { key: 'worse', ratio }
  return { key: COUNTING.includes(result.metric) ? 'times' : 'timesAsWell', ratio }
}

/** Returns the key of the sentence about items without interactions, compared with the best simple rule. */
export function newItemsQuality(judged: { score: number; baseline: number }): Quality['key'] {
  return qualityOf({ metric: 'ndcg', score: judged.score, popularity_score: judged.baseline }).key
}
