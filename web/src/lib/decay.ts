import type { TrainingData } from '@/api/types'

const DAY_MS = 86_400_000

/** Returns the weight of an interaction of this age. */
export const countsAt = (age: number, halfLife: number) => 0.5 ** (age / halfLife)

/** Returns the days between the first and the last interaction of all uploads; null if none has a time. */
export function daysCovered(uploads: TrainingData[]): number | null {
  const moments = uploads
    .flatMap(({ report }) => [report?.time_min, report?.time_max])
    .map((moment) => Date.parse(moment ?? ''))
    .filter((moment) => !Number.isNaN(moment))
  const days = (Math.max(...moments) - Math.min(...moments)) / DAY_MS
  return days > 0 && Number.isFinite(days) ? days : null
}

/** Returns how many days a picture of the decay shows: those of the data, as long as the bend stays visible. */
export function daysShown(halfLife: number, covered: number | null): number {
  return Math.min(8 * halfLife, Math.max(2 * halfLife, covered ?? 5 * halfLife))
}

/** Returns the curve in a unit square with its origin at the top left, as SVG draws. */
export function decayPath(halfLife: number, days: number, points = 64): string {
  const corners = Array.from({ length: points + 1 }, (_, index) => {
    const x = index / points
    return `${round(x)} ${round(1 - countsAt(x * days, halfLife))}`
  })
  return `M${corners.join(' L')}`
}

const round = (value: number) => Number(value.toFixed(4))
