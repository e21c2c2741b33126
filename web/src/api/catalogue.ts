/** The items and users of a project, by page: what pickers and shops list. */
import { keepPreviousData, useInfiniteQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get } from './client'
import type { Sent } from './contract'
import { num, type Id } from './queries'
import type { components } from './schema'

type Schemas = components['schemas']
export type CatalogueItem = Sent<Schemas['ProjectItem']>
export type CatalogueUser = Sent<Schemas['ProjectUser']>
export type CatalogueKind = 'items' | 'users'
export type RowOf<K extends CatalogueKind> = K extends 'items' ? CatalogueItem : CatalogueUser

export interface CataloguePage<T> {
  count: number
  next: string | null
  results: T[]
}
interface Query {
  q?: string
  page?: number
  page_size?: number
}

const PAGE_SIZE = 20

export function readCatalogue<K extends CatalogueKind>(
  kind: K,
  project: number,
  query: Query,
  signal?: AbortSignal,
): Promise<CataloguePage<RowOf<K>>> {
  const options = { path: { id: project }, query, signal }
  const answer =
    kind === 'items' ? get('/project/{id}/items/', options) : get('/project/{id}/users/', options)
  return answer as unknown as Promise<CataloguePage<RowOf<K>>>
}

/** Returns what matches a text, a page at a time: the ids that begin with it, and the items whose title contains it. */
export const useCatalogue = <K extends CatalogueKind>(
  kind: K,
  project: Id,
  q: MaybeRefOrGetter<string>,
  enabled: MaybeRefOrGetter<boolean> = true,
) =>
  useInfiniteQuery({
    queryKey: computed(() => ['catalogue', kind, toValue(project), toValue(q)]),
    queryFn: ({ pageParam, signal }) =>
      readCatalogue(kind, num(project), { q: toValue(q), page: pageParam, page_size: PAGE_SIZE }, signal),
    initialPageParam: 1,
    getNextPageParam: (last: CataloguePage<RowOf<K>>, _pages, page: number) =>
      last.next === null ? undefined : page + 1,
    enabled: () => toValue(enabled) && typeof toValue(project) === 'number',
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  })
