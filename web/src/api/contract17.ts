/** Stands in for the addresses of sources and destinations until they are in the server's document. */
import type {
  Connection,
  ConnectionFields,
  DryRun,
  Entry,
  Sample,
  Source,
  SourceFields,
  SourceRun,
  TestStep,
} from './sources'
import type { Delivery, Destination, DestinationFields } from './destinations'

export interface Page<T> {
  count: number
  next: string | null
  previous: string | null
  results: T[]
}
type Methods = 'get' | 'put' | 'post' | 'delete' | 'options' | 'head' | 'patch' | 'trace'
type Path<T> = { [M in Methods]: M extends keyof T ? T[M] : undefined }
interface Json<T> {
  content: { 'application/json': T }
}
interface List<Row, Query = object> {
  parameters: { query?: Query & { page?: number; page_size?: number } }
  responses: { 200: Json<Page<Row>> }
}
interface ById {
  parameters: { path: { id: number } }
}
interface Creates<Body, Answer> {
  requestBody: Json<Body>
  responses: { 201: Json<Answer> }
}
type Reads<Answer> = ById & { responses: { 200: Json<Answer> } }
type Changes<Body, Answer> = Reads<Answer> & { requestBody: Json<Body> }
type Does<Answer> = ById & { responses: { 201: Json<Answer> } }
type Goes = ById & { responses: { 204: { content?: never } } }
type Below<Answer> = {
  parameters: { path: { id: number }; query: { path: string } }
  responses: { 200: Json<Answer> }
}

declare module './schema' {
  interface paths {
    '/api/v1/data_connection/': Path<{
      get: List<Connection, { organisation?: number }>
      post: Creates<ConnectionFields & { organisation: number }, Connection>
    }>
    '/api/v1/data_connection/{id}/': Path<{
      get: Reads<Connection>
      patch: Changes<Partial<ConnectionFields>, Connection>
      delete: Goes
    }>
    '/api/v1/data_connection/{id}/test/': Path<{ post: Reads<{ is_usable: boolean; steps: TestStep[] }> }>
    '/api/v1/data_connection/{id}/browse/': Path<{ get: Below<{ path: string; entries: Entry[] }> }>
    '/api/v1/data_connection/{id}/sample/': Path<{ get: Below<Sample> }>
    '/api/v1/data_source/': Path<{
      get: List<Source, { project?: number }>
      post: Creates<SourceFields & { project: number }, Source>
    }>
    '/api/v1/data_source/{id}/': Path<{
      get: Reads<Source>
      patch: Changes<Partial<SourceFields>, Source>
      delete: Goes
    }>
    '/api/v1/data_source/{id}/preview/': Path<{ post: Reads<Sample> }>
    '/api/v1/data_source/{id}/dry_run/': Path<{ post: Reads<DryRun> }>
    '/api/v1/data_source/{id}/run/': Path<{ post: Does<SourceRun> }>
    '/api/v1/data_source/{id}/backfill/': Path<{
      post: Does<SourceRun> & { requestBody: Json<{ from: string | number; to: string | number }> }
    }>
    '/api/v1/data_source/{id}/reset/': Path<{ post: Goes }>
    '/api/v1/source_run/': Path<{ get: List<SourceRun, { data_source?: number; project?: number }> }>
    '/api/v1/source_run/{id}/': Path<{ get: Reads<SourceRun> }>
    '/api/v1/source_run/{id}/accept/': Path<{ post: Reads<SourceRun> }>
    '/api/v1/source_run/{id}/discard/': Path<{ post: Reads<SourceRun> }>
    '/api/v1/source_run/{id}/cancel/': Path<{ post: Reads<SourceRun> }>
    '/api/v1/source_run/{id}/retry/': Path<{ post: Reads<SourceRun> }>
    '/api/v1/destination/': Path<{
      get: List<Destination, { project?: number }>
      post: Creates<DestinationFields & { project: number }, Destination>
    }>
    '/api/v1/destination/{id}/': Path<{
      get: Reads<Destination>
      patch: Changes<Partial<DestinationFields>, Destination>
      delete: Goes
    }>
    '/api/v1/destination/{id}/run/': Path<{ post: Does<Delivery> }>
    '/api/v1/delivery/': Path<{ get: List<Delivery, { destination?: number; project?: number }> }>
    '/api/v1/delivery/{id}/cancel/': Path<{ post: Reads<Delivery> }>
    '/api/v1/delivery/{id}/retry/': Path<{ post: Reads<Delivery> }>
    '/api/v1/delivery/{id}/download/': Path<{ get: Reads<unknown> }>
  }
}
