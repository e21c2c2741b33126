import { ref, watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/** Parses `a=1&b=2` after the `#`; values are used unchanged, since the router has decoded them. */
export function parseFragment(hash: string): Record<string, string> {
  const pairs = hash
    .replace(/^#/, '')
    .split('&')
    .filter((pair) => pair.includes('='))
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
}

/**
 * Returns the secrets behind the `#` of a link. They never reach the server's log that way, and once read they are removed from
 * the address bar, so that they do not stay in the history or in a screenshot.
 */
export function useFragment() {
  const route = useRoute()
  const router = useRouter()
  const secrets = ref<Record<string, string>>({})
  watch(
    () => route.hash,
    (hash) => {
      if (!hash) return
      secrets.value = parseFragment(hash)
      void router.replace({ path: route.path, query: route.query })
    },
    { immediate: true },
  )
  return secrets
}
