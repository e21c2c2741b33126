import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, nextTick, ref, type EffectScope } from 'vue'
import { throttled, useLiveLog, useLiveStatus } from '@/lib/job-socket'

class FakeSocket {
  static all: FakeSocket[] = []
  static get last() {
    return FakeSocket.all.at(-1) as FakeSocket
  }
  sent: string[] = []
  closed = false
  readyState = 1
  onopen?: () => void
  onmessage?: (event: { data: string }) => void
  onclose?: (event: { code: number }) => void
  constructor(readonly url: string) {
    FakeSocket.all.push(this)
  }
  send(text: string) {
    this.sent.push(text)
  }
  close() {
    this.closed = true
  }
  hear(message: unknown) {
    this.onmessage?.({ data: JSON.stringify(message) })
  }
}

let scope: EffectScope
beforeEach(() => {
  vi.useFakeTimers()
  FakeSocket.all = []
  vi.stubGlobal('WebSocket', FakeSocket)
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response('{}')),
  )
  scope = effectScope()
})
afterEach(() => {
  scope.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('the status socket', () => {
  it('that is no longer wanted before it is open is closed then, and reports nothing', async () => {
    const heard: string[] = []
    const wanted = ref(true)
    scope.run(() => useLiveStatus('job', 7, wanted, (message) => heard.push(message.status)))
    const socket = FakeSocket.last
    socket.readyState = 0
    wanted.value = false
    await nextTick()
    expect(socket.closed).toBe(false)
    socket.readyState = 1
    socket.onopen?.()
    expect(socket.closed).toBe(true)
    socket.hear({ type: 'status_update', status: 'running', data: {} })
    expect(heard).toEqual([])
  })

  it('reports messages, answers pings and closes when the job is over', async () => {
    const heard: string[] = []
    const wanted = ref(true)
    scope.run(() => useLiveStatus('job', 7, wanted, (message) => heard.push(message.status)))
    const socket = FakeSocket.last
    expect(socket.url).toMatch(/\/ws\/job\/7\/status\/$/)
    socket.onopen?.()
    socket.hear({ type: 'status_update', status: 'running', data: {} })
    socket.hear({ type: 'ping' })
    expect(heard).toEqual(['running'])
    expect(socket.sent).toEqual(['{"type":"pong"}'])
    wanted.value = false
    await nextTick()
    expect(socket.closed).toBe(true)
  })

  it('comes back after a loss, asking whether there is still something to watch when it was refused', async () => {
    scope.run(() => useLiveStatus('job', 7, ref(true), () => {}))
    FakeSocket.last.onclose?.({ code: 4401 })
    await vi.advanceTimersByTimeAsync(1_100)
    expect(fetch).toHaveBeenCalledOnce()
    expect(vi.mocked(fetch).mock.calls[0]?.[0]).toBe('/api/v1/parameter_tuning_job/7/')
    expect(FakeSocket.all).toHaveLength(2)
  })

  it.each([401, 403, 404])(
    'gives up when its handshake was refused and the API answers %i',
    async (status) => {
      vi.stubGlobal(
        'fetch',
        vi.fn(async () => new Response('{}', { status })),
      )
      scope.run(() => useLiveLog('model', 7, ref(true)))
      FakeSocket.last.onclose?.({ code: 1006 })
      await vi.advanceTimersByTimeAsync(60_000)
      expect(FakeSocket.all).toHaveLength(1)
    },
  )

  it('tries again while the server cannot tell', async () => {
    vi.stubGlobal(
      'fetch',
      vi.fn(async () => new Response('{}', { status: 503 })),
    )
    scope.run(() => useLiveStatus('job', 7, ref(true), () => {}))
    FakeSocket.last.onclose?.({ code: 1006 })
    await vi.advanceTimersByTimeAsync(1_100)
    expect(FakeSocket.all).toHaveLength(2)
  })

  it('gives up when the job is not the caller’s', async () => {
    scope.run(() => useLiveStatus('job', 7, ref(true), () => {}))
    FakeSocket.last.onclose?.({ code: 4403 })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(FakeSocket.all).toHaveLength(1)
  })
})

describe('the log socket', () => {
  it('asks a new connection only for what came since, and shows nothing twice', async () => {
    const log = scope.run(() => useLiveLog('model', 7, ref(true)))
    const line = (id: number) => ({ type: 'log', message: `line ${id}`, timestamp: '', id })
    expect(FakeSocket.last.url).toMatch(/\/ws\/model\/7\/logs\/$/)
    FakeSocket.last.hear(line(41))
    FakeSocket.last.hear(line(42))
    FakeSocket.last.onclose?.({ code: 1013 })
    await vi.advanceTimersByTimeAsync(1_100)
    expect(FakeSocket.last.url).toMatch(/\/logs\/\?after=42$/)
    for (const id of [42, 43]) FakeSocket.last.hear(line(id))
    expect(log?.lines.value.map((entry) => entry.message)).toEqual(['line 41', 'line 42', 'line 43'])
  })

  it('shows the replay of a new connection instead of adding to the old one', async () => {
    const log = scope.run(() => useLiveLog('job', 7, ref(true)))
    const line = (message: string) => ({ type: 'log', message, timestamp: '' })
    FakeSocket.last.hear(line('one'))
    FakeSocket.last.hear(line('two'))
    FakeSocket.last.onclose?.({ code: 1006 })
    await vi.advanceTimersByTimeAsync(1_100)
    for (const text of ['one', 'two', 'three']) FakeSocket.last.hear(line(text))
    expect(log?.lines.value.map((entry) => entry.message)).toEqual(['one', 'two', 'three'])
  })
})

describe('throttling', () => {
  it('acts at once, then at most once per interval, and never loses the last call', () => {
    const action = vi.fn()
    const call = scope.run(() => throttled(action, 3_000)) as () => void
    call()
    vi.advanceTimersByTime(1)
    expect(action).toHaveBeenCalledTimes(1)
    for (let i = 0; i < 20; i += 1) call()
    vi.advanceTimersByTime(2_900)
    expect(action).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(200)
    expect(action).toHaveBeenCalledTimes(2)
    vi.advanceTimersByTime(10_000)
    expect(action).toHaveBeenCalledTimes(2)
  })
})
