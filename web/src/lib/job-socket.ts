import { onScopeDispose, ref, watch, type Ref } from 'vue'
import { ApiError, get } from '@/api/client'

export interface LogLine {
  key: number
  message: string
  timestamp: string
}

/** The objects that can be watched: a search or a training. */
export type Watched = 'job' | 'model'

export interface StatusData {
  /** In the words of the API: `COMPLETED`, `FAILED`, … */
  job_status?: string
  best_score?: number | null
  n_completed?: number
  n_pruned?: number
  n_failed?: number
  n_running?: number
  n_trials?: number
  error?: string
}

export interface StatusMessage {
  type: 'status_update'
  status: string
  data: StatusData
}

type Message =
  StatusMessage | { type: 'log'; message: string; timestamp: string; id?: number } | { type: 'ping' }

const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 15_000
const MAX_LOG_LINES = 2_000

/** The server's close codes for an open socket: the session has ended; the caller may no longer see the job. */
const NOT_AUTHENTICATED = 4401
const NO_ACCESS = 4403
/** The state of a socket whose handshake goes on. */
const CONNECTING = 0

/** Returns a socket that reconnects while `wanted` is true, and stops when `ask` returns that there is nothing to watch. */
function useSocket(
  url: () => string,
  ask: () => Promise<boolean>,
  wanted: Ref<boolean>,
  onMessage: (message: Message, first: boolean) => void,
): Ref<boolean> {
  const connected = ref(false)
  let socket: WebSocket | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let delay = FIRST_RETRY_MS

  function open(): void {
    const current = new WebSocket(url())
    let heard = false
    socket = current
    current.onopen = () => {
      if (socket !== current) return current.close()
      connected.value = true
    }
    current.onmessage = (event: MessageEvent<string>) => {
      if (socket !== current) return
      const message = parse(event.data)
      if (message?.type === 'ping') return current.send('{"type":"pong"}')
      if (!message) return
      // Only a message proves that the other side accepted the connection.
      delay = FIRST_RETRY_MS
      onMessage(message, !heard)
      heard = true
    }
    current.onclose = (event: CloseEvent) => {
      if (socket !== current) return
      connected.value = false
      socket = null
      if (wanted.value && event.code !== NO_ACCESS) retry(event.code === NOT_AUTHENTICATED || !heard)
    }
  }

  function retry(refused: boolean): void {
    timer = setTimeout(async () => {
      // Browsers do not reveal why a handshake was refused.
      if (refused && !(await ask())) return
      if (wanted.value && socket === null) open()
    }, delay)
    delay = Math.min(delay * 2, LAST_RETRY_MS)
  }

  function close(): void {
    clearTimeout(timer)
    const current = socket
    socket = null
    connected.value = false
    // Browsers complain about a socket that is closed while it connects: that one closes once it is open.
    if (current?.readyState !== CONNECTING) current?.close()
  }

  watch(wanted, (value) => (value ? socket === null && open() : close()), { immediate: true })
  onScopeDispose(close)
  return connected
}

function parse(text: string): Message | null {
  try {
    return JSON.parse(text) as Message
  } catch {
    return null
  }
}

/** Returns whether the present user can still watch the object; renews the session if needed. */
async function isThere(of: Watched, id: number): Promise<boolean> {
  try {
    await get(of === 'job' ? '/parameter_tuning_job/{id}/' : '/trained_model/{id}/', { path: { id } })
    return true
  } catch (error) {
    return !(error instanceof ApiError && [401, 403, 404].includes(error.status))
  }
}

const address = (of: Watched, id: number, kind: string) =>
  `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/${of}/${id}/${kind}/`

/** Receives status messages of a search or a training while it runs; returns whether the socket is up. */
export function useLiveStatus(
  of: Watched,
  id: number,
  wanted: Ref<boolean>,
  onStatus: (message: StatusMessage) => void,
): Ref<boolean> {
  return useSocket(
    () => address(of, id, 'status'),
    () => isThere(of, id),
    wanted,
    (message) => message.type === 'status_update' && onStatus(message),
  )
}

/** Receives the log of a search or a training: its newest lines, then line by line; after a loss, the missed lines. */
export function useLiveLog(
  of: Watched,
  id: number,
  wanted: Ref<boolean>,
): { lines: Ref<LogLine[]>; connected: Ref<boolean> } {
  const lines = ref<LogLine[]>([])
  let next = 0
  let last: number | undefined
  const connected = useSocket(
    () => address(of, id, 'logs') + (last === undefined ? '' : `?after=${last}`),
    () => isThere(of, id),
    wanted,
    (message, first) => {
      if (message.type !== 'log') return
      if (message.id === undefined) {
        // A server that sends no ids replays the log on each connection.
        if (first) lines.value = []
      } else {
        if (last !== undefined && message.id <= last) return
        last = message.id
      }
      lines.value.push({ key: next++, message: message.message, timestamp: message.timestamp })
      if (lines.value.length > MAX_LOG_LINES) lines.value.splice(0, lines.value.length - MAX_LOG_LINES)
    },
  )
  return { lines, connected }
}

/** Calls `action` at most once per interval, and always once after the last request. */
export function throttled(action: () => void, intervalMs: number): () => void {
  let last = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  onScopeDispose(() => clearTimeout(timer))
  const run = () => {
    timer = undefined
    last = Date.now()
    action()
  }
  return () => {
    if (timer !== undefined) return
    timer = setTimeout(run, Math.max(0, last + intervalMs - Date.now()))
  }
}
