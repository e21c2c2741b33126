import { useI18n } from 'vue-i18n'
import { ApiError } from '@/api/client'
import { i18n, type Locale } from '@/i18n'
import { translated, translatedSentence } from '@/i18n/refusals'

/** Describes errors in the reader's language, with the server's own words if it gives any. */
export function useErrorText() {
  const { t, locale } = useI18n()
  return (error: unknown): string => {
    if (!(error instanceof ApiError)) return t('errors.unexpected')
    if (error.status === 0) return t('errors.unreachable')
    const known = translated(locale.value as Locale, error.code, error.message)
    if (known !== undefined) return known
    if (error.code !== null && error.message) return error.message
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

/** The first message for a form field in the reader's language, as far as there is one, or nothing. */
export function fieldError(error: unknown, field: string): string | undefined {
  const said = error instanceof ApiError ? error.fields[field]?.[0] : undefined
  return said && (translatedSentence(i18n.global.locale.value, said) ?? said)
}
