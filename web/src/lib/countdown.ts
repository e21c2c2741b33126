import { getCurrentScope, onScopeDispose, ref } from 'vue'

const SECOND_MS = 1_000

/** Counts seconds down and then acts. */
export function useCountdown(act: () => void) {
  /** Seconds that are left; null while nothing is awaited. */
  const seconds = ref<number | null>(null)
  let timer: ReturnType<typeof setInterval> | undefined

  function stop() {
    clearInterval(timer)
    seconds.value = null
  }
  function start(from: number) {
    stop()
    const end = Date.now() + Math.max(from, 1) * SECOND_MS
    const left = () => Math.ceil((end - Date.now()) / SECOND_MS)
    seconds.value = left()
    // A tab in the background counts late; the clock says what is left.
    timer = setInterval(() => {
      seconds.value = left()
      if (seconds.value > 0) return
      stop()
      act()
    }, SECOND_MS)
  }
  if (getCurrentScope()) onScopeDispose(stop)
  return { seconds, start, stop }
}
