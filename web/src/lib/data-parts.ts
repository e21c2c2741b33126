import type { TrainedModel, TrainingData } from '@/api/types'

/** The parts before one that say what is usual, as in the report of a run. */
const USUAL_OF = 7
/** A fifth more or fewer rows is usual between nights. */
const LARGE_CHANGE = 0.2

type Part = Pick<TrainingData, 'id' | 'origin' | 'standing' | 'report'>

const rowsOf = (part: Part) => part.report?.rows_kept ?? null

function median(values: number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low, high] = [sorted[sorted.length % 2 ? middle : middle - 1], sorted[middle]]
  return low === undefined || high === undefined ? null : (low + high) / 2
}

/**
 * Returns how many rows each part of a source has more than the median of the parts of the same source before it, as a share, if
 * that is unusual. Parts that are held or replaced do not say what is usual.
 */
export function unusualParts(rows: Part[]): Map<number, number> {
  const changes = new Map<number, number>()
  const before = new Map<number, number[]>()
  for (const part of [...rows].sort((a, b) => a.id - b.id)) {
    const count = rowsOf(part)
    if (!part.origin || count === null) continue
    const usual = before.get(part.origin.source) ?? []
    const middle = median(usual.slice(-USUAL_OF))
    const change = middle ? count / middle - 1 : 0
    if (Math.abs(change) >= LARGE_CHANGE) changes.set(part.id, change)
    if (part.standing === 'in_use') before.set(part.origin.source, [...usual, count])
  }
  return changes
}

/** Returns the models that learnt from some data, alone or combined with other data, the newest first. */
export function modelsOf(data: number, all: Pick<TrainingData, 'id' | 'sources'>[], models: TrainedModel[]) {
  const combined = all.filter((row) =>
    row.sources?.some((source) => source.kind === 'upload' && source.training_data === data),
  )
  const learnt = new Set([data, ...combined.map((row) => row.id)])
  return models.filter((model) => learnt.has(model.data_loc)).sort((a, b) => b.id - a.id)
}
