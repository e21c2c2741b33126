import { shallowRef } from 'vue'
import type { ApiError } from '@/api/client'

/** A deletion that was refused because other objects depend on the target; `BlockedDialog` shows it. */
export const blocked = shallowRef<ApiError | null>(null)
