import type { DeploymentSlot } from '@/api/types'

type Weighted = Pick<DeploymentSlot, 'id' | 'weight' | 'is_active' | 'is_shadow'>
const answers = (slot: Weighted) => slot.is_active && !slot.is_shadow

/** Returns the share of the requests that each slot answers: its weight relative to all active slots. A shadow answers none. */
export function shares(slots: Weighted[]): Map<number, number> {
  const total = slots.reduce((sum, slot) => sum + (answers(slot) ? slot.weight : 0), 0)
  return new Map(slots.map((slot) => [slot.id, answers(slot) && total > 0 ? slot.weight / total : 0]))
}
