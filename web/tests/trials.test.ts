import { afterEach, describe, expect, it, vi } from 'vitest'
import { readTrials } from '@/api/trials'
import type { Trial, TuningJob } from '@/api/types'
import { predictCommand } from '@/lib/curl'
import { formatBytes, shortName } from '@/lib/format'
import {
  bestSoFar,
  describeParameters,
  leaderboard,
  tiesWithBest,
  trialsDone,
  type ScoredTrial,
} from '@/lib/trials'

const trial = (number: number, score: number | null, rest: Partial<Trial> = {}): Trial => ({
  number,
  algorithm: 'IALSRecommender',
  parameters: {},
  status: score === null ? 'pruned' : 'completed',
  score,
  interval: null,
  intermediate: [],
  started_at: '2026-11-21T06:00:00Z',
  metrics: null,
  finished_at: null,
  duration_seconds: null,
  note: null,
  ...rest,
})

describe('the leaderboard', () => {
  it('ranks what was completed, earlier trials first among equals', () => {
    const rows = leaderboard([
      trial(0, 0.2),
      trial(1, null),
      trial(2, 0.3),
      trial(3, 0.3),
      trial(4, 0.9, { status: 'failed' }),
    ])
    expect(rows.map((row) => row.number)).toEqual([2, 3, 0])
  })

  it('names ties by their intervals', () => {
    const best = trial(1, 0.3, { interval: [0.28, 0.32] }) as ScoredTrial
    expect(tiesWithBest(trial(2, 0.27, { interval: [0.25, 0.29] }) as ScoredTrial, best)).toBe(true)
    expect(tiesWithBest(trial(2, 0.2, { interval: [0.18, 0.22] }) as ScoredTrial, best)).toBe(false)
    expect(tiesWithBest(best, best)).toBe(false)
  })
})

describe('the trials of a search with thousands of them', () => {
  afterEach(() => vi.unstubAllGlobals())

  /** Stands in for the server, which lists a thousand at once; returns what was asked for. */
  function serve(rows: Trial[]): string[] {
    const asked: string[] = []
    vi.stubGlobal('fetch', async (url: string) => {
      asked.push(url.replace('/api/v1/parameter_tuning_job/4/trials/', ''))
      const after = Number(new URL(url, 'http://localhost').searchParams.get('after') ?? -1)
      const listed = rows.filter((row) => row.number > after).slice(0, 1000)
      return new Response(JSON.stringify(listed), { status: 200 })
    })
    return asked
  }
  const ended = (count: number) => Array.from({ length: count }, (_, number) => trial(number, 0.1))

  it('are read to the last one', async () => {
    const rows = ended(2003)
    const asked = serve(rows)
    expect(await readTrials(4, [])).toEqual(rows)
    expect(asked).toEqual(['', '?after=999', '?after=1999'])
  })

  it('are read from the first running one on, once they are known', async () => {
    const before = [...ended(5), trial(5, null, { status: 'running' }), trial(6, 0.2)]
    const after = [...ended(5), trial(5, 0.3), trial(6, 0.2), trial(7, null, { status: 'running' })]
    const asked = serve(after)
    expect(await readTrials(4, before)).toEqual(after)
    expect(asked).toEqual(['?after=4'])
    expect(before).toHaveLength(7)
  })
})

describe('the best so far', () => {
  it('never falls and follows the order of trials', () => {
    expect(bestSoFar([trial(2, 0.1), trial(0, 0.2), trial(1, null), trial(3, 0.4)])).toEqual([
      [0, 0.2],
      [2, 0.2],
      [3, 0.4],
    ])
  })
})

describe('progress', () => {
  const job = (rest: Partial<TuningJob>) => ({ n_trials: 10, status: 'RUNNING', ...rest }) as TuningJob
  it('counts every trial that has ended', () => {
    expect(trialsDone(job({ n_completed: 3, n_pruned: 2, n_failed: 1, n_running: 2 }))).toBe(6)
  })
})

describe('texts', () => {
  it('shorten numbers and names', () => {
    expect(
      describeParameters({ top_k: 100, beta: 0.123456, weighting: 'NONE', normalize: true, n: null }),
    ).toBe('top_k 100 · beta 0.1235 · weighting NONE · normalize true · n null')
    expect(describeParameters({ top_k: 1, 'event_weight.a': 2.5 }, (name) => `<${name}>`)).toBe(
      '<top_k> 1 · <event_weight.a> 2.5',
    )
    expect(shortName('CosineKNNRecommender')).toBe('CosineKNN')
    expect([0, 1, 26].map((size) => formatBytes(size, 'en'))).toEqual(['0 bytes', '1 byte', '26 bytes'])
    expect(formatBytes(1_843_200, 'en')).toBe('1.8 MB')
    expect(formatBytes(null, 'en')).toBe('–')
  })

  it('can be pasted into a shell whatever the user is called', () => {
    const line = predictCommand('http://h', 3, 'rctm_x', `O'Neill "a/b" 007`)
    expect(line).toContain(`-d '{"user_id":"O'\\''Neill \\"a/b\\" 007","cutoff":10}'`)
    expect(line).toContain('http://h/inference/predict/3')
  })
})
