import type { Trial, TuningJob } from '@/api/types'

/** Returns the number of trials that have ended, in any way. */
export const trialsDone = (job: TuningJob) => job.n_completed + job.n_pruned + job.n_failed

export type ScoredTrial = Trial & { score: number }

/** Returns the finished trials, best first; equal scores in the order they were tried. */
export function leaderboard(trials: Trial[]): ScoredTrial[] {
  return trials
    .filter((trial): trial is ScoredTrial => trial.status === 'completed' && trial.score !== null)
    .sort((a, b) => b.score - a.score || a.number - b.number)
}

/** Returns whether a trial's interval overlaps the best one's: then the order of the two says little. */
export function tiesWithBest(trial: ScoredTrial, best: ScoredTrial | undefined): boolean {
  if (!best || trial.number === best.number || !trial.interval || !best.interval) return false
  return trial.interval[1] >= best.interval[0]
}

/** Returns the running maximum as points of a step line, over trials in the order of their numbers. */
export function bestSoFar(trials: Trial[]): [number, number][] {
  const points: [number, number][] = []
  let best = -Infinity
  for (const trial of [...trials].sort((a, b) => a.number - b.number)) {
    if (trial.status !== 'completed' || trial.score === null) continue
    best = Math.max(best, trial.score)
    points.push([trial.number, best])
  }
  return points
}

/** Returns parameters as a text for a table cell: `shrinkage 12.5 · top_k 100`. */
export function describeParameters(
  parameters: Record<string, unknown> | null | undefined,
  nameOf = (name: string) => name,
): string {
  return Object.entries(parameters ?? {})
    .map(([name, value]) => `${nameOf(name)} ${describeValue(value)}`)
    .join(' · ')
}

export function describeValue(value: unknown): string {
  if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(4)))
  return typeof value === 'string' ? value : JSON.stringify(value)
}
