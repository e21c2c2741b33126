import { useI18n } from 'vue-i18n'
import type { Locale } from '@/i18n'
import { translatedSentence } from '@/i18n/refusals'

/** Returns what the server says in English, in the reader's language where there is a translation. */
export function useSaid() {
  const { locale } = useI18n()
  return (sentence: string) => translatedSentence(locale.value as Locale, sentence) ?? sentence
}
