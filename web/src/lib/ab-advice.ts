import type { AbResults, AbTest } from '@/api/types'

export type Advice = 'draft' | 'noTraffic' | 'early' | 'earlyEnd' | 'variant' | 'control' | 'same' | 'promoted' | 'cancelled'

/** What to do next, from what was measured. Only a test with enough data is told apart from chance. */
export function adviceFor(test: AbTest, results: AbResults | undefined): Advice {
  if (test.status === 'DRAFT') return 'draft'
  if (test.status === 'CANCELLED') return 'cancelled'
  if (test.winner_slot !== null) return 'promoted'
  if (!results || results.control_impressions === 0 || results.variant_impressions === 0) return 'noTraffic'
  if (!results.sufficient_data) return test.status === 'RUNNING' ? 'early' : 'earlyEnd'
  if (!results.significant) return 'same'
  return results.variant_rate > results.control_rate ? 'variant' : 'control'
}

export const shownTo = (results: AbResults) => results.control_impressions + results.variant_impressions

/** How much of the data that was asked for is there, from 0 to 1. */
export const dataShare = (results: AbResults) => (results.min_sample_size > 0 ? Math.min(1, shownTo(results) / results.min_sample_size) : 1)

/** Percentage points, from fractions. */
export const points = (value: number) => value * 100
