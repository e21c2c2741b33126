/** Destinations and deliveries: every call, and the bodies. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue } from 'vue'
import { get, listAll, patch, post, remove } from './client'
import { known, num, type Id } from './queries'
import { isActive } from './sources'

export type Lists = 'users' | 'items'
export type ListFormat = 'parquet' | 'jsonl' | 'csv'
export const FORMATS: ListFormat[] = ['parquet', 'jsonl', 'csv']
export interface DestinationFields {
  name: string
  lists: Lists
  /** One of both: a fixed model, or what a slot answers with at the time. */
  model: number | null
  slot: number | null
  cutoff: number
  exclude_seen: boolean
  /** From 0, best items first, to 1. */
  diversity: number
  format: ListFormat
  cron_expression: string | null
  time_zone: string
  is_enabled: boolean
}
export interface Destination extends DestinationFields {
  id: number
  project: number
  next_run_at: string | null
  last_run: Delivery | null
  ins_datetime: string
  updated_at: string
}
export type DeliveryState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'
export interface Delivery {
  id: number
  destination: number
  project: number
  cause: 'manual' | 'schedule'
  state: DeliveryState
  /** From 0 to 1. */
  progress: number
  /** Those that are computed. */
  lists: number
  rows: number | null
  bytes: number | null
  format: ListFormat
  /** The files of the last runs are kept. */
  has_file: boolean
  model: number | null
  error: string | null
  ins_datetime: string
  started_at: string | null
  finished_at: string | null
}

const POLL_MS = 1_500
const LIST_POLL_MS = 5_000
export const DELIVERIES_PAGE = 20

export const useDestinations = (project: Id) =>
  useQuery({
    queryKey: computed(() => ['destinations', 'of', toValue(project)]),
    queryFn: ({ signal }) => listAll('/destination/', { query: { project: num(project) }, signal }),
    enabled: known(project),
    refetchInterval: (query) =>
      query.state.data?.some((row) => isActive(row.last_run?.state)) ? LIST_POLL_MS : false,
  })
export const useDestination = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['destinations', toValue(id)]),
    queryFn: ({ signal }) => get('/destination/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
    refetchInterval: (query) => (isActive(query.state.data?.last_run?.state) ? LIST_POLL_MS : false),
  })
export const createDestination = (project: number, fields: DestinationFields) =>
  post('/destination/', { body: { project, ...fields } })
export const changeDestination = (id: number, body: Partial<DestinationFields>) =>
  patch('/destination/{id}/', { path: { id }, body })
export const deleteDestination = (id: number) => remove('/destination/{id}/', { path: { id } })
export const runDestination = (id: number) => post('/destination/{id}/run/', { path: { id } })

/** Returns a page of the deliveries of a destination, again and again while one of them is under way. */
export const useDeliveries = (destination: Id, page: () => number) =>
  useQuery({
    queryKey: computed(() => ['deliveries', 'of', toValue(destination), page()]),
    queryFn: ({ signal }) =>
      get('/delivery/', {
        query: { destination: num(destination), page: page(), page_size: DELIVERIES_PAGE },
        signal,
      }),
    enabled: known(destination),
    placeholderData: keepPreviousData,
    refetchInterval: (query) =>
      query.state.data?.results.some((row) => isActive(row.state)) ? POLL_MS : false,
  })
export const cancelDelivery = (id: number) => post('/delivery/{id}/cancel/', { path: { id } })
export const retryDelivery = (id: number) => post('/delivery/{id}/retry/', { path: { id } })
