/**
 * The only module that sends HTTP requests: same-origin, cookies carry the session, errors become `ApiError`.
 * Addresses, bodies and answers are typed by the server's API document.
 */
import type {
  Address,
  Answer,
  AnyAddress,
  Arguments,
  CallOptions,
  Method,
  PathParameters,
  Row,
} from './contract'

export const API_BASE = '/api/v1'

export type Query = Record<string, string | number | boolean | null | undefined>

/** An object that still depends on the one to be deleted. */
export interface Dependent {
  resource: string
  id: number
  name: string
}

export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when the server could not be reached. */
    readonly status: number,
    message: string,
    /** Messages by field name, for forms. */
    readonly fields: Record<string, string[]> = {},
    /** Seconds to wait, if the server gives them. */
    readonly retryAfter: number | null = null,
    /** The objects that prevent a deletion. */
    readonly dependents: Dependent[] = [],
    /** What went wrong, for programs; not every answer has it. */
    readonly code: string | null = null,
    /** The body of the answer, for what only one page reads. */
    readonly body: unknown = undefined,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

/** Converts an error body of the API to a message and messages by field. */
export function errorFromBody(status: number, body: unknown, retryAfter: number | null = null): ApiError {
  const fields: Record<string, string[]> = {}
  const general: string[] = []
  const code = codeIn(body)
  if (Array.isArray(body)) {
    general.push(...body.map(String))
  } else if (body !== null && typeof body === 'object') {
    for (const [key, value] of Object.entries(body)) {
      const messages = messagesOf(value)
      if (messages.length === 0 || (key === 'code' && code !== null)) continue
      if (key === 'detail' || key === 'error' || key === 'non_field_errors') general.push(...messages)
      else if (status === 400 || status === 422) fields[key] = messages
    }
  }
  const first = general[0] ?? Object.values(fields)[0]?.[0] ?? ''
  const dependents = status === 409 ? dependentsIn(body) : []
  return new ApiError(status, first, fields, retryAfter, dependents, code, body)
}

/** A code stands beside a sentence; elsewhere a field may have that name. */
function codeIn(body: unknown): string | null {
  const { detail, code } = (body ?? {}) as { detail?: unknown; code?: unknown }
  return typeof detail === 'string' && typeof code === 'string' ? code : null
}

function dependentsIn(body: unknown): Dependent[] {
  const rows = (body as { dependents?: unknown } | null | undefined)?.dependents
  return Array.isArray(rows) ? (rows as Dependent[]) : []
}

function messagesOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value)) return []
  return value.filter((entry): entry is string => typeof entry === 'string')
}

/**
 * Returns an address of the document with its parameters filled in; each is escaped, so that an id may contain any character.
 * They may be omitted only for addresses without parameters.
 */
export function address<A extends AnyAddress>(
  template: A,
  ...[parameters]: [PathParameters<A>] extends [never] ? [] : [PathParameters<A>]
): string {
  return fill(template, parameters as PathValues | undefined)
}

type PathValues = Record<string, string | number>

function fill(template: string, values: PathValues = {}): string {
  return API_BASE + template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(values[name])))
}

export function withQuery(url: string, query: Query = {}): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`)
  return pairs.length === 0 ? url : `${url}?${pairs.join('&')}`
}

let onSessionLost: () => void = () => {}

/** Sets the handler that is called when the session has ended. */
export function whenSessionLost(handler: () => void): void {
  onSessionLost = handler
}

let refreshing: Promise<boolean> | null = null

/** Renews the access cookie; concurrent callers share one request. */
export function refreshSession(): Promise<boolean> {
  refreshing ??= send('POST', address('/auth/token/refresh/'))
    .then((response) => response.ok)
    .catch(() => false)
    .finally(() => {
      refreshing = null
    })
  return refreshing
}

const TIMEOUT_MS = 30_000

async function send(method: string, url: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  const init: RequestInit = {
    method,
    credentials: 'same-origin',
    headers: { Accept: 'application/json' },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  }
  if (body !== undefined) {
    init.headers = { ...init.headers, 'Content-Type': 'application/json' }
    init.body = JSON.stringify(body)
  }
  return fetch(url, init)
}

interface Sending extends CallOptions {
  path?: PathValues
  query?: Query
  body?: unknown
}

/** Sends a request and reads its answer; renews the session once if it has expired. */
async function call(method: Method, template: string, options: Sending = {}): Promise<unknown> {
  const url = withQuery(fill(template, options.path), options.query)
  const attempt = () => send(method.toUpperCase(), url, options.body, options.signal)
  let response: Response
  try {
    response = await attempt()
    if (response.status === 401 && !options.anonymous) {
      if (await refreshSession()) response = await attempt()
      if (response.status === 401) onSessionLost()
    }
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    throw new ApiError(0, '')
  }
  return read(response)
}

async function read(response: Response): Promise<unknown> {
  const text = await response.text()
  let body: unknown = undefined
  if (text !== '') {
    try {
      body = JSON.parse(text)
    } catch {
      if (response.ok) throw new ApiError(response.status, '')
    }
  }
  if (!response.ok) {
    const seconds = Number(response.headers.get('Retry-After') ?? NaN)
    throw errorFromBody(response.status, body, Number.isFinite(seconds) ? seconds : null)
  }
  return body
}

/** Calls an address by one method. Types come from the API document; nothing checks them at run time. */
type Caller<M extends Method> = <A extends Address<M>>(
  template: A,
  ...[options]: Arguments<M, A>
) => Promise<Answer<M, A>>

const caller =
  <M extends Method>(method: M): Caller<M> =>
  <A extends Address<M>>(template: A, ...[options]: Arguments<M, A>) =>
    call(method, template, options as Sending | undefined) as Promise<Answer<M, A>>

export const get: Caller<'get'> = caller('get')
export const post: Caller<'post'> = caller('post')
export const patch: Caller<'patch'> = caller('patch')
export const remove: Caller<'delete'> = caller('delete')

/** Returns every row of a paginated list, over all pages. */
export async function listAll<A extends Address<'get'>>(
  template: A,
  ...[options]: Arguments<'get', A>
): Promise<Row<A>[]> {
  const given = (options ?? {}) as Sending
  const rows: Row<A>[] = []
  for (let page = 1; ; page += 1) {
    const query = { ...given.query, page_size: 100, ...(page > 1 ? { page } : {}) }
    const answer = (await call('get', template, { ...given, query })) as Row<A>[] | Page<Row<A>>
    if (Array.isArray(answer)) return answer
    rows.push(...answer.results)
    if (answer.next === null) return rows
  }
}

interface Page<T> {
  results: T[]
  next: string | null
}
