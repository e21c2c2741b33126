/** Reads the trials of a search, which may have many thousands. */
import { get } from './client'
import type { Trial } from './types'

/** The most trials that the server lists in one answer. */
const MOST_IN_ANSWER = 1000

/**
 * Returns all trials in the order of their numbers. A trial that has ended stays as it is: of `known`, those before the first
 * running one are not read again.
 */
export async function readTrials(job: number, known: Trial[], signal?: AbortSignal): Promise<Trial[]> {
  const firstRunning = known.findIndex((trial) => trial.status === 'running')
  const trials = known.slice(0, firstRunning === -1 ? known.length : firstRunning)
  for (;;) {
    const query = { after: trials.at(-1)?.number }
    const answer = await get('/parameter_tuning_job/{id}/trials/', { path: { id: job }, query, signal })
    trials.push(...answer)
    if (answer.length < MOST_IN_ANSWER) return trials
  }
}
