/** What the API document says about apps, webhooks and notifications, until it does. */
import type { App, Endpoint, Message, MessageDetail, Notification, Usage } from './integrations'

interface Json<T> {
  content: { 'application/json': T }
}
type Page<T> = { count: number; next: string | null; previous: string | null; results: T[] }
type Of<Path, Query = never> = { path: Path; query?: Query }
type Id = { id: number }
type Call<Parameters, Code extends number, Body, Sent = never> = {
  parameters: Parameters
  responses: { [C in Code]: Body extends null ? { content?: never } : Json<Body> }
} & ([Sent] extends [never] ? { requestBody?: never } : { requestBody: Json<Sent> })
type Only<M> = Omit<Record<'get' | 'post' | 'patch' | 'delete', undefined>, keyof M> & M
type Changes<T> = { [K in keyof T]?: T[K] }
type AppFields = Changes<{ name: string; allowed_origins: string[]; is_active: boolean }>
type EndpointFields = Changes<
  Pick<Endpoint, 'url' | 'description' | 'topics' | 'is_active' | 'rate_per_second' | 'app'>
>
type Listed = { project?: number; page?: number; page_size?: number }

declare module './schema' {
  interface paths {
    '/api/v1/app/': Only<{
      get: Call<{ query?: Listed }, 200, Page<App>>
      post: Call<object, 201, App & { key: string }, AppFields & { project: number }>
    }>
    '/api/v1/app/{id}/': Only<{
      get: Call<Of<Id>, 200, App>
      patch: Call<Of<Id>, 200, App, AppFields>
      delete: Call<Of<Id>, 204, null>
    }>
    '/api/v1/app/{id}/new_key/': Only<{ post: Call<Of<Id>, 200, { key: string; key_prefix: string }> }>
    '/api/v1/app/{id}/usage/': Only<{ get: Call<Of<Id, { days?: number }>, 200, Usage> }>
    '/api/v1/webhook_endpoint/': Only<{
      get: Call<{ query?: Listed }, 200, Page<Endpoint>>
      post: Call<object, 201, Endpoint & { secret: string }, EndpointFields & { project: number }>
    }>
    '/api/v1/webhook_endpoint/{id}/': Only<{
      get: Call<Of<Id>, 200, Endpoint>
      patch: Call<Of<Id>, 200, Endpoint, EndpointFields>
      delete: Call<Of<Id>, 204, null>
    }>
    '/api/v1/webhook_endpoint/{id}/rotate_secret/': Only<{
      post: Call<Of<Id>, 200, { secret: string; previous_until: string | null }>
    }>
    '/api/v1/webhook_endpoint/{id}/test/': Only<{ post: Call<Of<Id>, 202, { message: string }> }>
    '/api/v1/webhook_endpoint/{id}/replay/': Only<{
      post: Call<Of<Id>, 202, { messages: number }, { since: string }>
    }>
    '/api/v1/webhook_endpoint/{id}/messages/': Only<{
      get: Call<
        Of<Id, { topic?: string; state?: string; page?: number; page_size?: number }>,
        200,
        Page<Message>
      >
    }>
    '/api/v1/webhook_endpoint/{id}/messages/{message_id}/': Only<{
      get: Call<Of<Id & { message_id: string }>, 200, MessageDetail>
    }>
    '/api/v1/webhook_endpoint/{id}/messages/{message_id}/retry/': Only<{
      post: Call<Of<Id & { message_id: string }>, 202, null>
    }>
    '/api/v1/notification/': Only<{
      get: Call<{ query?: Listed }, 200, Page<Notification> & { unread: number }>
    }>
    '/api/v1/notification/mark_read/': Only<{ post: Call<object, 204, null, { until: number }> }>
  }
}
