import type { Compared, RunReport, RunState } from '@/api/sources'

/** How a state looks: colour is never the only sign. */
export const LOOKS: Record<RunState, { tone: string; fill: string; icon: string }> = {
  queued: { tone: 'text-faint', fill: 'var(--line-strong)', icon: 'pi-clock' },
  running: { tone: 'text-busy', fill: 'var(--busy)', icon: 'pi-spinner pi-spin' },
  succeeded: { tone: 'text-good', fill: 'var(--petrol)', icon: 'pi-check' },
  held: { tone: 'text-apricot', fill: 'var(--apricot)', icon: 'pi-pause' },
  failed: { tone: 'text-bad', fill: 'var(--bad)', icon: 'pi-times' },
  cancelled: { tone: 'text-faint', fill: 'var(--ink-faint)', icon: 'pi-ban' },
  discarded: { tone: 'text-faint', fill: 'var(--ink-faint)', icon: 'pi-trash' },
  nothing_new: { tone: 'text-faint', fill: 'var(--line-strong)', icon: 'pi-minus' },
}

/** So many times the usual rows make a bar that is cut off, such as that of the first run, which reads all that there is. */
const TALLEST = 4
/** Fewer runs do not say what is usual. */
const FEWEST = 5
const LEAST = 0.06
interface Rows {
  rows_read: number
}

/** Returns the rows of a bar of full height: the most of all runs but those that are far from usual. */
export function topOf(runs: Rows[]): number {
  const rows = runs.map((run) => run.rows_read).filter((count) => count > 0)
  rows.sort((a, b) => a - b)
  const usual = rows.length < FEWEST ? Infinity : (rows[Math.floor((rows.length - 1) / 2)] ?? 0)
  return Math.max(1, ...rows.filter((count) => count <= usual * TALLEST))
}
/** Returns the height of a bar, from 0 to 1. A run with few rows is still seen beside one with many. */
export function heightOf(run: Rows, top: number): number {
  const rows = run.rows_read
  return rows === 0 ? LEAST : Math.min(1, Math.max(LEAST * 1.5, rows / top))
}

export interface QualityRow extends Compared {
  isPercent: boolean
  /** The change against the median: of shares the difference in points, of counts the ratio less one. */
  change: number | null
  /** Whether the change is large enough to look at. */
  stands: boolean
}

/** A fifth more or fewer rows is usual between nights. */
const LARGE_CHANGE = 0.2
const LARGE_DIFFERENCE = 5

/** Returns what a run read beside the median of the runs before it. */
export const qualityRows = (report: RunReport | null): QualityRow[] =>
  (report?.compared ?? []).map((row) => {
    const isPercent = row.measure === 'null_percent'
    const change = isPercent ? differenceOf(row) : ratioOf(row)
    const large = isPercent ? LARGE_DIFFERENCE : LARGE_CHANGE
    return { ...row, isPercent, change, stands: change !== null && Math.abs(change) >= large }
  })
const differenceOf = ({ value, median }: Compared) => (median === null ? null : value - median)
const ratioOf = ({ value, median }: Compared) => (median ? value / median - 1 : null)

/** Returns which actions a run allows. */
export function actionsOf(state: RunState): ('accept' | 'discard' | 'cancel' | 'retry')[] {
  if (state === 'held') return ['accept', 'discard']
  if (state === 'queued' || state === 'running') return ['cancel']
  return state === 'failed' || state === 'cancelled' ? ['retry'] : []
}
