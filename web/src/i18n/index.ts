import { createI18n } from 'vue-i18n'
import { en, type Messages } from './en'
import { ja } from './ja'

export type Locale = 'en' | 'ja'
export const LOCALES: { value: Locale; label: string }[] = [
  { value: 'en', label: 'English' },
  { value: 'ja', label: '日本語' },
]

/** Returns the stored language, or else the browser's, or else English. */
export function initialLocale(): Locale {
  let saved: string | null = null
  try {
    saved = localStorage.getItem('recotem.locale')
  } catch {
    // Without storage the browser's language decides.
  }
  if (saved === 'en' || saved === 'ja') return saved
  return navigator.language.startsWith('ja') ? 'ja' : 'en'
}

export const i18n = createI18n<[Messages], Locale, false>({
  legacy: false,
  locale: initialLocale(),
  fallbackLocale: 'en',
  messages: { en, ja },
})
