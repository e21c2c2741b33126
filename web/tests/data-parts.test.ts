import { describe, expect, it } from 'vitest'
import type { TrainedModel, TrainingData } from '@/api/types'
import { modelsOf, unusualParts } from '@/lib/data-parts'

const part = (id: number, rows: number, change: object = {}) =>
  ({
    id,
    origin: { source: 1, run: id, from: null, to: null },
    standing: 'in_use',
    report: { rows_kept: rows },
    ...change,
  }) as unknown as TrainingData

describe('unusualParts', () => {
  it('compares each part with the median of those of its source before it', () => {
    const rows = [100, 110, 90, 130, 40].map((count, at) => part(at + 1, count))
    const other = part(6, 5, { origin: { source: 2, run: 6, from: null, to: null } })
    const changes = unusualParts([...rows, other].reverse())
    expect([...changes.keys()]).toEqual([4, 5])
    expect(changes.get(4)).toBeCloseTo(0.3)
    expect(changes.get(5)).toBeCloseTo(40 / 105 - 1)
  })
  it('does not take parts that are held or replaced, and uploads, for usual', () => {
    const rows = [
      part(1, 100),
      part(2, 10_000, { standing: 'held' }),
      part(3, 100),
      part(4, 1, { origin: null }),
    ]
    expect([...unusualParts(rows).keys()]).toEqual([2])
  })
})

describe('modelsOf', () => {
  it('finds models of the data and of data that it was combined into', () => {
    const all = [
      { id: 1, sources: null },
      { id: 2, sources: [{ kind: 'upload', training_data: 1 }] },
      { id: 3, sources: [{ kind: 'upload', training_data: 9 }] },
    ] as unknown as TrainingData[]
    const models = [1, 2, 3].map((data) => ({ id: data * 10, data_loc: data })) as TrainedModel[]
    expect(modelsOf(1, all, models).map(({ id }) => id)).toEqual([20, 10])
  })
})
