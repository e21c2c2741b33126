/**
 * Predictions and events, sent as an application sends them: with an API key and without the session. What works here works
 * in the snippets.
 */
import { ApiError, errorFromBody } from './client'
import type { Sent } from './contract'
import type { components } from './schema'
import type { EventType } from './types'

type Schemas = components['schemas']
export type ListedItem = Sent<Schemas['ListedItem']>
/** An item's row of the metadata, by column. */
export type Metadata = Record<string, unknown>
export interface ListRequest {
  user_id?: string
  /** Items of the user's latest interactions, oldest first. */
  interactions?: string[]
  anchor_items?: string[]
  /** Only these items are listed. */
  allow?: string[]
  cutoff?: number
  explain?: boolean
  exclude_seen?: boolean
}
export interface List {
  items: ListedItem[]
  model_id: number
  slot_id: number
  request_id: string
  strategy: Schemas['Strategy']
}
export interface Event {
  project: number
  deployment_slot: number
  user_id: string
  item_id: string
  event_type: EventType
  recommendation_request_id?: string
}

const TIMEOUT_MS = 30_000

async function send<T>(url: string, key: string, body: object, signal?: AbortSignal): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  let response: Response
  try {
    response = await fetch(url, {
      method: 'POST',
      credentials: 'omit',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json', 'X-API-Key': key },
      body: JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    })
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new ApiError(0, '')
  }
  const content = (await response.json().catch(() => undefined)) as unknown
  if (response.ok && content !== undefined) return content as T
  const seconds = Number(response.headers.get('Retry-After') ?? NaN)
  throw errorFromBody(response.status, content, Number.isFinite(seconds) ? seconds : null)
}

/** Returns a list of one of the project's slots, with the metadata of its items. */
export const requestList = (project: number, key: string, body: ListRequest, signal?: AbortSignal) =>
  send<List>(`/inference/predict/project/${project}`, key, { ...body, with_metadata: true }, signal)

/** Reports an event; the server counts it in the user's next list. */
export const reportEvent = (key: string, event: Event) =>
  send<unknown>('/api/v1/conversion_event/', key, { ...event, event_id: newId() })

/** `randomUUID` needs HTTPS; this does not. */
function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
}

/** Returns whether a key was revoked, has expired, or was never one. */
export const isKeyRefused = (error: unknown) => error instanceof ApiError && error.status === 401
