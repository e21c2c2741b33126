import type { DeploymentSlot } from '@/api/types'

type Weighted = Pick<DeploymentSlot, 'id' | 'weight' | 'is_active'>

/** The share of the requests each slot answers: its weight beside those of all active slots. */
export function shares(slots: Weighted[]): Map<number, number> {
  const total = slots.reduce((sum, slot) => sum + (slot.is_active ? slot.weight : 0), 0)
  return new Map(slots.map((slot) => [slot.id, slot.is_active && total > 0 ? slot.weight / total : 0]))
}
