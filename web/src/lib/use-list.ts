import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, watch, type MaybeRefOrGetter } from 'vue'
import { ApiError } from '@/api/client'
import { isKeyRefused, requestList, type ListRequest } from '@/api/inference'
import { shouldRetry } from '@/api/query-client'
import { useCountdown } from './countdown'

const TOO_MANY = 429
/** Seconds after which a key may be used again if the server does not say. */
const A_MINUTE = 60
const isLimited = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.status === TOO_MANY

/**
 * Keeps a list that is asked for with an API key; without a key or a request there is none. A key that was used too often is
 * used again after the time that the server gives: `wait` has the seconds until then. While a list is under way, the former one
 * stays, unless `keeps` says that it does not belong to the new request.
 */
export function useList(
  project: MaybeRefOrGetter<number>,
  key: MaybeRefOrGetter<string | null>,
  request: MaybeRefOrGetter<ListRequest | null>,
  keeps: (before: ListRequest | null, now: ListRequest | null) => boolean = () => true,
) {
  const query = useQuery({
    queryKey: computed(() => ['lists', toValue(project), toValue(request), toValue(key)] as const),
    queryFn: ({ signal }) =>
      requestList(toValue(project), toValue(key) ?? '', toValue(request) ?? {}, signal),
    enabled: () => toValue(key) !== null && toValue(request) !== null,
    placeholderData: (data, before) =>
      before && keeps(before.queryKey[2], toValue(request)) ? data : undefined,
    staleTime: Infinity,
    // A slot takes a moment to load its model.
    retry: (failures, error) => !isKeyRefused(error) && !isLimited(error) && shouldRetry(failures, error),
  })
  const limit = useCountdown(() => void query.refetch())
  watch(
    query.error,
    (error) => (isLimited(error) ? limit.start(error.retryAfter ?? A_MINUTE) : limit.stop()),
    {
      immediate: true,
    },
  )
  return { ...query, wait: limit.seconds }
}
