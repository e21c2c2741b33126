/** Destinations and deliveries: every call, and the bodies. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue } from 'vue'
import { get, listAll, patch, post, remove } from './client'
import type { Sent } from './contract'
import { known, num, type Id } from './queries'
import type { components } from './schema'
import { isActive } from './sources'
import type { With } from './types'

type Schemas = components['schemas']

export type Lists = Schemas['DestinationLists']
export type ListFormat = Schemas['ListFormat']
export const FORMATS: ListFormat[] = ['parquet', 'jsonl', 'csv']
/** Either the model or the slot is set: a fixed model, or the one that a slot answers with at the time. */
export type DestinationFields = Sent<Schemas['DestinationFields']>
export type Delivery = Sent<Schemas['Delivery']>
export type Destination = With<Sent<Schemas['Destination']>, { last_run: Delivery | null }>

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
