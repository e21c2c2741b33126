import { shallowRef } from 'vue'
import type { ApiError } from '@/api/client'

/** The deletion that was refused because other things still need what was to go; `BlockedDialog` shows it. */
export const blocked = shallowRef<ApiError | null>(null)
