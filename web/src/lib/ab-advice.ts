import type { AbResults, AbTest } from '@/api/types'

export type Advice =
  | 'draft'
  | 'noTraffic'
  | 'assignment'
  | 'early'
  | 'more'
  | 'earlyEnd'
  | 'variant'
  | 'control'
  | 'same'
  | 'promoted'
  | 'cancelled'

/** What to do next: what the state of the test says, or else what the server concludes from its numbers. */
export function adviceFor(test: AbTest, results: AbResults | undefined): Advice {
  if (test.status === 'DRAFT') return 'draft'
  if (test.status === 'CANCELLED') return 'cancelled'
  if (test.winner_slot !== null) return 'promoted'
  if (!results || results.control_impressions === 0 || results.variant_impressions === 0) return 'noTraffic'
  switch (results.advice) {
    case 'check_assignment':
      return 'assignment'
    case 'variant_wins':
      return 'variant'
    case 'control_wins':
      return 'control'
    case 'keep_running':
      return results.sufficient_data ? 'more' : 'early'
    case 'no_difference_found':
      return results.sufficient_data ? 'same' : 'earlyEnd'
  }
}

/** Whether the conclusion holds for one look only: the single-look test tells the slots apart, the always-valid one does not. */
export const onlyOnce = (results: AbResults) => results.significant && !results.sequential.significant

/** Recommendations still to be shown, both slots together. */
export const stillNeeded = (results: AbResults) =>
  results.needed_sample_size.control + results.needed_sample_size.variant

export const shownTo = (results: AbResults) => results.control_impressions + results.variant_impressions

/** How much of the data that was asked for is there, from 0 to 1. */
export const dataShare = (results: AbResults) =>
  results.min_sample_size > 0 ? Math.min(1, shownTo(results) / results.min_sample_size) : 1

/** Percentage points, from fractions. */
export const points = (value: number) => value * 100
