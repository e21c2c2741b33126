import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import { i18n, initialLocale, type Locale } from '@/i18n'

export type Theme = 'system' | 'light' | 'dark'

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // A browser without storage only forgets the choice.
  }
}

/** The preferences of this browser: colours and language. `public/theme.js` reads the same keys before the first paint. */
export const usePreferences = defineStore('preferences', () => {
  const system = window.matchMedia('(prefers-color-scheme: dark)')
  const saved = stored('recotem.theme')
  const theme = ref<Theme>(saved === 'light' || saved === 'dark' ? saved : 'system')
  const dark = ref(false)
  const locale = ref<Locale>(initialLocale())

  function applyTheme(): void {
    dark.value = theme.value === 'dark' || (theme.value === 'system' && system.matches)
    document.documentElement.classList.toggle('dark', dark.value)
  }

  system.addEventListener('change', applyTheme)
  watch(theme, (value) => {
    store('recotem.theme', value)
    applyTheme()
  })
  watch(
    locale,
    (value) => {
      i18n.global.locale.value = value
      document.documentElement.lang = value
      store('recotem.locale', value)
    },
    { immediate: true },
  )
  applyTheme()

  return { theme, dark, locale }
})
