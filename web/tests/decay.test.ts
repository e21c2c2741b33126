import { describe, expect, it } from 'vitest'
import type { TrainingData } from '@/api/types'
import { countsAt, daysCovered, daysShown, decayPath } from '@/lib/decay'

const upload = (time_min: string | null, time_max: string | null) =>
  ({ report: { time_min, time_max } }) as TrainingData

describe('the decay', () => {
  it('halves by every half-life', () => {
    expect([0, 30, 60].map((age) => countsAt(age, 30))).toEqual([1, 0.5, 0.25])
  })

  it('covers the time of all uploads', () => {
    expect(
      daysCovered([
        upload('2026-01-01T00:00:00Z', '2026-01-11T00:00:00Z'),
        upload(null, null),
        upload('2026-01-05T00:00:00Z', '2026-02-01T00:00:00Z'),
      ]),
    ).toBe(31)
    expect(daysCovered([upload(null, null), { report: null } as TrainingData])).toBeNull()
    expect(daysCovered([])).toBeNull()
    expect(daysCovered([upload('2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z')])).toBeNull()
  })

  it('is drawn so that its bend can be seen', () => {
    expect(daysShown(30, 100)).toBe(100)
    expect(daysShown(30, 10)).toBe(60)
    expect(daysShown(1, 3650)).toBe(8)
    expect(daysShown(30, null)).toBe(150)
    expect(decayPath(10, 20, 2)).toBe('M0 0 L0.5 0.5 L1 0.75')
  })
})
