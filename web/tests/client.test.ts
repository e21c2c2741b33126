import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  address,
  ApiError,
  errorFromBody,
  get,
  listAll,
  post,
  whenSessionLost,
  withQuery,
} from '@/api/client'
import { retryDelay, shouldRetry } from '@/api/query-client'

type Answer = { status: number; body?: unknown; headers?: Record<string, string> }

/** Answers requests from a script, in order per URL. */
function serve(script: Record<string, Answer[]>) {
  const calls: string[] = []
  const fetcher = vi.fn(async (url: string, init: RequestInit) => {
    calls.push(`${init.method} ${url}`)
    const answer = script[url]?.shift()
    if (!answer) throw new TypeError(`unexpected request ${url}`)
    const text = answer.body === undefined ? null : JSON.stringify(answer.body)
    return new Response(text, { status: answer.status, headers: answer.headers })
  })
  vi.stubGlobal('fetch', fetcher)
  return calls
}

const REFRESH = '/api/v1/auth/token/refresh/'
const caught = async (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => error as ApiError,
  )

describe('addresses', () => {
  it('keep every character of an id', () => {
    expect(address('/project/')).toBe('/api/v1/project/')
    expect(address('/trained_model/{id}/similar/', { id: 3 })).toBe('/api/v1/trained_model/3/similar/')
    // The document has only numbers; other values must not change the address.
    expect(address('/project/{id}/', { id: 'a/b c' as unknown as number })).toBe('/api/v1/project/a%2Fb%20c/')
    expect(withQuery('/u/', { user_id: 'Sigur Rós & co', cutoff: 5, empty: '' })).toBe(
      '/u/?user_id=Sigur%20R%C3%B3s%20%26%20co&cutoff=5',
    )
    expect(withQuery('/u/', { user_id: '007' })).toBe('/u/?user_id=007')
  })
})

describe('a session that expired', () => {
  const lost = vi.fn()
  beforeEach(() => {
    lost.mockClear()
    whenSessionLost(lost)
  })
  afterEach(() => vi.unstubAllGlobals())

  it('is renewed once for concurrent requests, which get their answers', async () => {
    const calls = serve({
      '/api/v1/auth/user/': [
        { status: 401, body: {} },
        { status: 200, body: { name: 'a' } },
      ],
      '/api/v1/auth/options/': [
        { status: 401, body: {} },
        { status: 200, body: { name: 'b' } },
      ],
      [REFRESH]: [{ status: 200, body: {} }],
    })
    expect(await Promise.all([get('/auth/user/'), get('/auth/options/')])).toEqual([
      { name: 'a' },
      { name: 'b' },
    ])
    expect(calls.filter((call) => call.endsWith(REFRESH))).toHaveLength(1)
    expect(lost).not.toHaveBeenCalled()
  })

  it('is reported when it cannot be renewed', async () => {
    serve({
      '/api/v1/auth/user/': [{ status: 401, body: { detail: 'no' } }],
      [REFRESH]: [{ status: 401, body: {} }],
    })
    expect((await caught(get('/auth/user/')))?.status).toBe(401)
    expect(lost).toHaveBeenCalledOnce()
  })
})

describe('answers', () => {
  afterEach(() => vi.unstubAllGlobals())

  it('may be empty', async () => {
    serve({ '/api/v1/auth/logout/': [{ status: 204 }] })
    expect(await post('/auth/logout/')).toBeUndefined()
  })

  it('of a list are followed to the last page', async () => {
    serve({
      '/api/v1/project/?page_size=100': [
        { status: 200, body: { next: 'http://x/?page=2', results: [1, 2] } },
      ],
      '/api/v1/project/?page_size=100&page=2': [{ status: 200, body: { next: null, results: [3] } }],
      '/api/v1/algorithms/?page_size=100': [{ status: 200, body: [7] }],
    })
    expect(await listAll('/project/')).toEqual([1, 2, 3])
    expect(await listAll('/algorithms/')).toEqual([7])
  })

  it('that say when to come back are understood', async () => {
    serve({
      '/api/v1/auth/user/': [{ status: 429, body: { detail: 'slow down' }, headers: { 'Retry-After': '7' } }],
    })
    const error = await caught(get('/auth/user/'))
    expect(error).toMatchObject({ status: 429, message: 'slow down', retryAfter: 7 })
    expect(shouldRetry(0, error)).toBe(true)
    expect(retryDelay(0, error)).toBe(7000)
  })

  it('that never come are status 0', async () => {
    serve({})
    expect(await caught(get('/auth/user/'))).toMatchObject({ status: 0 })
  })
})

describe('error bodies', () => {
  it('become a message and messages by field', () => {
    const error = errorFromBody(400, { name: ['Taken.'], user_column: ['Required.'] })
    expect(error.message).toBe('Taken.')
    expect(error.fields).toEqual({ name: ['Taken.'], user_column: ['Required.'] })
    expect(errorFromBody(400, { non_field_errors: ['Both.'] })).toMatchObject({
      message: 'Both.',
      fields: {},
    })
    expect(errorFromBody(404, { detail: ['File removed.'] }).message).toBe('File removed.')
    expect(errorFromBody(400, ['Bare.']).message).toBe('Bare.')
    expect(errorFromBody(502, undefined).message).toBe('')
  })

  it('of refusals are final, of trouble are not', () => {
    expect(shouldRetry(0, new ApiError(404, ''))).toBe(false)
    expect(shouldRetry(0, new ApiError(503, ''))).toBe(true)
    expect(shouldRetry(2, new ApiError(503, ''))).toBe(false)
  })
})
