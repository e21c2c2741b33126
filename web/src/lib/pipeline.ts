import type { PipelineRun, PipelineState } from '@/api/pipelines'

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
