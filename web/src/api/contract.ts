/**
 * The server's API document by address: parameters, the body of the request and the body of the answer.
 * Types only. `client.ts` sends the requests, and accepts no address or body that is not in the document.
 */
import type { components, paths } from './schema'
import type { Sharper } from './types'

export type Method = 'get' | 'post' | 'patch' | 'delete'

type Schemas = components['schemas']
type Prefix = '/api/v1'
type Described<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends object ? P : never
}[keyof paths]

type Shortened<P> = P extends `${Prefix}${infer Rest}` ? Rest : never
/** Addresses that support a method, without their common prefix. */
export type Address<M extends Method> = Shortened<Described<M>>
export type AnyAddress = Shortened<keyof paths>

type Operation<M extends Method, A extends string> = `${Prefix}${A}` extends infer P extends keyof paths
  ? paths[P][M]
  : never

type PathOf<O> = O extends { parameters: { path: infer Path } } ? Path : never
export type PathParameters<A extends AnyAddress> = PathOf<{ [M in Method]: Operation<M, A> }[Method]>

/** A filter that is not set is omitted. */
type Unset<Q> = { [Name in keyof Q]: Q[Name] | null }
type WithPath<O> = [PathOf<O>] extends [never] ? object : { path: PathOf<O> }
type WithQuery<O> = O extends { parameters: { query: infer Query } }
  ? { query: Unset<Query> }
  : O extends { parameters: { query?: infer Query } }
    ? [NonNullable<Query>] extends [never]
      ? object
      : { query?: Unset<NonNullable<Query>> }
    : object
type WithBody<O> = O extends { requestBody: { content: { 'application/json': infer Body } } }
  ? { body: Taken<Body> }
  : O extends { requestBody?: { content: { 'application/json': infer Body } } }
    ? { body?: Taken<Body> }
    : object

export interface CallOptions {
  signal?: AbortSignal
  /** Do not renew the session on 401: for the log-in itself. */
  anonymous?: boolean
}
export type Options<M extends Method, A extends Address<M>> = WithPath<Operation<M, A>> &
  WithQuery<Operation<M, A>> &
  WithBody<Operation<M, A>> &
  CallOptions
/** Options may be omitted if none is required. */
export type Arguments<M extends Method, A extends Address<M>> =
  object extends Options<M, A> ? [options?: Options<M, A>] : [options: Options<M, A>]

type JsonOf<R> = R extends { content: { 'application/json': infer Body } } ? Body : undefined
type Answered<O> = O extends { responses: infer R } ? JsonOf<R[keyof R & (200 | 201 | 202 | 204)]> : never
export type Answer<M extends Method, A extends Address<M>> = Sharp<Answered<Operation<M, A>>>
/** A row of a list, paginated or not. */
export type Row<A extends Address<'get'>> =
  Answered<Operation<'get', A>> extends infer List
    ? List extends (infer Element)[]
      ? Sharp<Element>
      : List extends { results: (infer Element)[] }
        ? Sharp<Element>
        : never
    : never

export type Values = Record<string, unknown>
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** The generator types an object with any content as one without content. */
type Content<T> = T extends object ? (Same<T, Record<string, never>> extends true ? Values : T) : T
/** The document calls every nullable field optional; the server always sends it. */
export type Sent<T> = { [Field in keyof T]-?: Content<Exclude<T[Field], undefined>> }
type Taken<T> = { [Field in keyof T]: Content<T[Field]> }

/** A body as `types.ts` defines it, found by its schema. */
type Named<T> = {
  [Name in keyof Sharper & keyof Schemas]: Same<T, Schemas[Name]> extends true ? Sharper[Name] : never
}[keyof Sharper & keyof Schemas]
/** What a page has beside its rows stays as it is. */
type Sharp<T> = T extends (infer Element)[]
  ? Sharp<Element>[]
  : T extends { results: (infer Element)[]; count: number }
    ? Omit<T, 'results'> & { results: Sharp<Element>[] }
    : T extends object
      ? Same<T, Record<string, never>> extends true
        ? Values
        : [Named<T>] extends [never]
          ? Sent<T>
          : Named<T>
      : T
