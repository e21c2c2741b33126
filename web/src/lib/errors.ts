import { useI18n } from 'vue-i18n'
import { ApiError } from '@/api/client'

/** Says what went wrong in the reader's language, with the server's own words where it has some. */
export function useErrorText() {
  const { t } = useI18n()
  return (error: unknown): string => {
    if (!(error instanceof ApiError)) return t('errors.unexpected')
    if (error.status === 0) return t('errors.unreachable')
    if (error.status === 429) return throttled(error)
    if (error.status === 404) return t('errors.notFound')
    if (error.status === 403) return error.message || t('errors.forbidden')
    if (error.status >= 500) return t('errors.server')
    return error.message || t('errors.unexpected')
  }

  function throttled(error: ApiError): string {
    return error.retryAfter === null
      ? t('errors.throttled')
      : t('errors.throttledFor', { n: Math.ceil(error.retryAfter) })
  }
}

/** The first message for a form field, or nothing. */
export function fieldError(error: unknown, field: string): string | undefined {
  return error instanceof ApiError ? error.fields[field]?.[0] : undefined
}
