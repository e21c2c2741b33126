import { QueryClient } from '@tanstack/vue-query'
import { ApiError } from './client'

const SERVER_TROUBLE_RETRIES = 2

/** Returns whether to retry: refusals of the server are final, requests to a busy or unreachable server are repeated. */
export function shouldRetry(failures: number, error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  if (error.status === 429) return failures < SERVER_TROUBLE_RETRIES
  return (error.status === 0 || error.status >= 500) && failures < SERVER_TROUBLE_RETRIES
}

export function retryDelay(failures: number, error: unknown): number {
  if (error instanceof ApiError && error.retryAfter !== null) return Math.min(error.retryAfter, 30) * 1000
  return Math.min(1000 * 2 ** failures, 8000)
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { retry: shouldRetry, retryDelay, staleTime: 5_000, refetchOnWindowFocus: false },
    mutations: { retry: false },
  },
})
