import { describe, expect, it } from 'vitest'
import type { PipelineRun } from '@/api/pipelines'
import { secondsOf } from '@/lib/now'
import { actionOf } from '@/lib/pipeline'

const run = (change: Partial<PipelineRun>): PipelineRun => ({
  id: 'retraining-7',
  project: 1,
  state: 'succeeded',
  cause: 'schedule',
  started_at: '2026-11-30T03:00:00Z',
  finished_at: null,
  stages: [],
  source_runs: [],
  retraining_run: 7,
  training_data: null,
  tuning_job: null,
  trained_model: null,
  deployed_slot: null,
  gate: null,
  deliveries: [],
  ...change,
})
const stage = (name: string, state: string) =>
  ({
    name,
    state,
    started_at: null,
    finished_at: null,
    rows: null,
    message: null,
  }) as PipelineRun['stages'][0]
const part = (id: number, state: string) =>
  ({ id, of: 3, name: 'Orders', state, rows: 1 }) as PipelineRun['deliveries'][0]

describe('actionOf', () => {
  it('asks for a decision where rows are held', () => {
    const held = run({
      stages: [stage('pull', 'held')],
      source_runs: [part(5, 'succeeded'), part(6, 'held')],
    })
    expect(actionOf(held)).toEqual({ act: 'decide', sourceRun: 6, source: 3 })
  })
  it('tries the stage again that failed', () => {
    expect(actionOf(run({ stages: [stage('pull', 'failed')], source_runs: [part(5, 'failed')] }))).toEqual({
      act: 'retry-source',
      sourceRun: 5,
    })
    const trained = [stage('pull', 'succeeded'), stage('train', 'failed')]
    expect(actionOf(run({ stages: trained, source_runs: [part(5, 'succeeded')] }))).toEqual({
      act: 'train-again',
    })
    const delivered = run({
      stages: [stage('train', 'succeeded'), stage('deliver', 'failed')],
      deliveries: [part(8, 'succeeded'), part(9, 'failed')],
    })
    expect(actionOf(delivered)).toEqual({ act: 'retry-delivery', delivery: 9 })
  })
  it('has nothing for a run that is well or under way', () => {
    expect(
      actionOf(run({ stages: [stage('pull', 'running')], source_runs: [part(5, 'running')] })),
    ).toBeNull()
    expect(actionOf(run({ stages: [stage('train', 'succeeded'), stage('gate', 'refused')] }))).toBeNull()
  })
})

describe('secondsOf', () => {
  it('counts up to now while a stage runs, and not at all before', () => {
    const at = (state: 'running' | 'waiting', started_at: string | null) =>
      secondsOf({ started_at, finished_at: null }, state === 'running', Date.parse('2026-11-30T03:01:00Z'))
    expect(at('running', '2026-11-30T03:00:00Z')).toBe(60)
    expect(at('waiting', '2026-11-30T03:00:00Z')).toBeNull()
    expect(at('running', null)).toBeNull()
  })
})
