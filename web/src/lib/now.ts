import { onScopeDispose, ref, type Ref } from 'vue'

/** Returns the present moment in milliseconds, which goes on while a component is shown. */
export function useNow(everyMs = 1_000): Ref<number> {
  const now = ref(Date.now())
  const timer = setInterval(() => (now.value = Date.now()), everyMs)
  onScopeDispose(() => clearInterval(timer))
  return now
}

interface Timed {
  started_at?: string | null
  finished_at?: string | null
}

/** Returns how long something took, in seconds; up to now while it runs; `null` if it has not begun, or has no end. */
export function secondsOf(
  { started_at, finished_at }: Timed,
  isRunning: boolean,
  now: number,
): number | null {
  if (!started_at) return null
  const end = finished_at ? Date.parse(finished_at) : isRunning ? now : NaN
  const taken = (end - Date.parse(started_at)) / 1000
  return Number.isFinite(taken) ? Math.max(0, taken) : null
}
