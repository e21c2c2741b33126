import type { PipelineRun, PipelineStage, PipelineState } from '@/api/pipelines'

/** How a state looks: colour is never the only sign. */
export const STATE_LOOKS: Record<PipelineState, { tone: string; wash: string; icon: string }> = {
  waiting: { tone: 'text-faint', wash: 'bg-sunken', icon: 'pi-clock' },
  running: { tone: 'text-busy', wash: 'bg-busy-wash', icon: 'pi-spinner pi-spin' },
  succeeded: { tone: 'text-good', wash: 'bg-good-wash', icon: 'pi-check' },
  held: { tone: 'text-apricot', wash: 'bg-apricot-wash', icon: 'pi-pause' },
  refused: { tone: 'text-apricot', wash: 'bg-apricot-wash', icon: 'pi-shield' },
  failed: { tone: 'text-bad', wash: 'bg-bad-wash', icon: 'pi-times' },
  cancelled: { tone: 'text-faint', wash: 'bg-sunken', icon: 'pi-ban' },
  skipped: { tone: 'text-faint', wash: 'bg-sunken', icon: 'pi-forward' },
}

/** Returns how long a stage or a run took, in seconds; up to now while it goes on. */
export function secondsOf(
  part: Pick<PipelineStage, 'state' | 'started_at' | 'finished_at'>,
  now: number,
): number | null {
  if (!part.started_at) return null
  const end = part.finished_at ? Date.parse(part.finished_at) : part.state === 'running' ? now : NaN
  const taken = (end - Date.parse(part.started_at)) / 1000
  return Number.isFinite(taken) ? Math.max(0, taken) : null
}

/** What a user can do about a run, from the first stage that needs it. */
export type PipelineAction =
  | { act: 'decide'; sourceRun: number; source: number }
  | { act: 'retry-source'; sourceRun: number }
  | { act: 'train-again' }
  | { act: 'retry-delivery'; delivery: number }

/** Returns what a user can do about a run that is held or failed; `null` if there is nothing. */
export function actionOf(run: PipelineRun): PipelineAction | null {
  const held = run.source_runs.find((part) => part.state === 'held')
  if (held) return { act: 'decide', sourceRun: held.id, source: held.of }
  const failed = run.source_runs.find((part) => part.state === 'failed')
  if (failed) return { act: 'retry-source', sourceRun: failed.id }
  const stage = run.stages.find(({ state }) => state === 'failed')
  if (!stage) return null
  const delivery = run.deliveries.find((part) => part.state === 'failed')
  if (stage.name !== 'deliver') return { act: 'train-again' }
  return delivery ? { act: 'retry-delivery', delivery: delivery.id } : null
}
