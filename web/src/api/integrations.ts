/** Apps, webhooks and notifications: every call, and what the API document says of their bodies. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get, listAll, patch, post, remove } from './client'
import type { Sent } from './contract'
import { known, num, type Id } from './queries'
import type { components } from './schema'
import type { With } from './types'

type Schemas = components['schemas']

export type Topic = Schemas['WebhookTopic']
export type MessageState = Schemas['WebhookMessageState']
export type ErrorCode = Schemas['WebhookErrorCode']
export type App = Sent<Schemas['App']>
export type Usage = Schemas['AppUsage']
export type UsageDay = Schemas['AppUsageDay']
export type Endpoint = With<
  Sent<Schemas['WebhookEndpoint']>,
  {
    signing_secret: Sent<Schemas['WebhookSecret']>
    last_attempt: Sent<Schemas['WebhookLastAttempt']> | null
  }
>
export type Message = Sent<Schemas['WebhookMessage']>
/** A message with its content, which depends on the topic, and every attempt. */
export type MessageDetail = With<
  Sent<Schemas['WebhookMessageDetail']>,
  { tries: Sent<Schemas['WebhookTry']>[] }
>
export type Notification = Sent<Schemas['Page_Notification']['results'][number]>

export type AppFields = Pick<App, 'name' | 'allowed_origins'>
export type EndpointFields = Pick<Endpoint, 'url' | 'description' | 'topics' | 'rate_per_second' | 'app'>

const MESSAGES_POLL_MS = 3_000
const ENDPOINT_POLL_MS = 5_000
const NOTIFICATIONS_POLL_MS = 60_000
export const USAGE_DAYS = 30
export const MESSAGES_PAGE = 25

export const useApps = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['apps', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/app/', { query: { project: num(project) }, signal }),
    enabled: known(project),
  })

export const useAppUsage = (app: Id) =>
  useQuery({
    queryKey: computed(() => ['apps', toValue(app), 'usage']),
    queryFn: ({ signal }) =>
      get('/app/{id}/usage/', { path: { id: num(app) }, query: { days: USAGE_DAYS }, signal }),
    enabled: known(app),
    staleTime: 60_000,
  })

export const createApp = (project: number, fields: AppFields) =>
  post('/app/', { body: { project, ...fields } })
export const changeApp = (id: number, body: Partial<AppFields & Pick<App, 'is_active'>>) =>
  patch('/app/{id}/', { path: { id }, body })
export const newAppKey = (id: number) => post('/app/{id}/new_key/', { path: { id } })
export const deleteApp = (id: number) => remove('/app/{id}/', { path: { id } })

export const useEndpoints = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['webhooks', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/webhook_endpoint/', { query: { project: num(project) }, signal }),
    enabled: known(project),
  })

/** Returns an endpoint; its state changes with each attempt, so it is read again while messages are under way. */
export const useEndpoint = (id: Id, isBusy: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['webhooks', toValue(id)]),
    queryFn: ({ signal }) => get('/webhook_endpoint/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
    refetchInterval: () => (toValue(isBusy) ? ENDPOINT_POLL_MS : false),
  })

export const createEndpoint = (project: number, fields: EndpointFields) =>
  post('/webhook_endpoint/', { body: { project, ...fields } })
export const changeEndpoint = (id: number, body: Partial<EndpointFields & Pick<Endpoint, 'is_active'>>) =>
  patch('/webhook_endpoint/{id}/', { path: { id }, body })
export const deleteEndpoint = (id: number) => remove('/webhook_endpoint/{id}/', { path: { id } })
export const rotateSecret = (id: number) => post('/webhook_endpoint/{id}/rotate_secret/', { path: { id } })
export const sendTest = (id: number) => post('/webhook_endpoint/{id}/test/', { path: { id } })
export const replaySince = (id: number, since: string) =>
  post('/webhook_endpoint/{id}/replay/', { path: { id }, body: { since } })

export interface MessageFilter {
  topic: Topic | null
  state: MessageState | null
  page: number
}

/** Returns a page of the messages of an endpoint, again and again while one of them is tried soon. */
export const useMessages = (endpoint: Id, filter: MaybeRefOrGetter<MessageFilter>) =>
  useQuery({
    queryKey: computed(() => ['webhooks', toValue(endpoint), 'messages', toValue(filter)]),
    queryFn: ({ signal }) =>
      get('/webhook_endpoint/{id}/messages/', {
        path: { id: num(endpoint) },
        query: { ...toValue(filter), page_size: MESSAGES_PAGE },
        signal,
      }),
    enabled: known(endpoint),
    placeholderData: keepPreviousData,
    refetchInterval: (query) =>
      query.state.data?.results.some((row) => row.state === 'waiting') ? MESSAGES_POLL_MS : false,
  })

export const useMessage = (endpoint: Id, message: MaybeRefOrGetter<string | null>) =>
  useQuery({
    queryKey: computed(() => ['webhooks', toValue(endpoint), 'message', toValue(message)]),
    queryFn: ({ signal }) =>
      get('/webhook_endpoint/{id}/messages/{message_id}/', {
        path: { id: num(endpoint), message_id: toValue(message) ?? '' },
        signal,
      }),
    enabled: computed(() => known(endpoint).value && toValue(message) !== null),
    refetchInterval: (query) => (query.state.data?.state === 'waiting' ? MESSAGES_POLL_MS : false),
  })

export const retryMessage = (endpoint: number, message: string) =>
  post('/webhook_endpoint/{id}/messages/{message_id}/retry/', {
    path: { id: endpoint, message_id: message },
  })

/** Returns what happened in the projects of the reader: each minute while the window is visible, and when it gets the focus. */
export const useNotifications = (size: MaybeRefOrGetter<number>, enabled: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['notifications', toValue(size)]),
    queryFn: ({ signal }) => get('/notification/', { query: { page_size: toValue(size) }, signal }),
    enabled: computed(() => toValue(enabled)),
    placeholderData: keepPreviousData,
    refetchInterval: NOTIFICATIONS_POLL_MS,
    refetchOnWindowFocus: true,
    staleTime: 10_000,
  })

export const markRead = (until: number) => post('/notification/mark_read/', { body: { until } })
