import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { isKeyRefused, requestList, type ListRequest } from '@/api/inference'
import { shouldRetry } from '@/api/query-client'

/** Keeps a list that is asked for with an API key; without a key or a request there is none. */
export const useList = (
  project: MaybeRefOrGetter<number>,
  key: MaybeRefOrGetter<string | null>,
  request: MaybeRefOrGetter<ListRequest | null>,
) =>
  useQuery({
    queryKey: computed(() => ['lists', toValue(project), toValue(request), toValue(key)]),
    queryFn: ({ signal }) =>
      requestList(toValue(project), toValue(key) ?? '', toValue(request) ?? {}, signal),
    enabled: () => toValue(key) !== null && toValue(request) !== null,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    // A slot takes a moment to load its model.
    retry: (failures, error) => !isKeyRefused(error) && shouldRetry(failures, error),
  })
