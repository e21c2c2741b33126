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

/** Returns the next step: from the state of the test, or else from the server's conclusion. */
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

/** Returns whether the conclusion is valid for one look only: only the single-look test finds a difference. */
export const onlyOnce = (results: AbResults) => results.significant && !results.sequential.significant

/** Returns the number of recommendations still to be shown, for both slots together. */
export const stillNeeded = (results: AbResults) =>
  results.needed_sample_size.control + results.needed_sample_size.variant

export const shownTo = (results: AbResults) => results.control_impressions + results.variant_impressions

/** Returns the share of the required data that has been collected, from 0 to 1. */
export const dataShare = (results: AbResults) =>
  results.min_sample_size > 0 ? Math.min(1, shownTo(results) / results.min_sample_size) : 1

/** Converts fractions to percentage points. */
export const points = (value: number) => value * 100
