import { onScopeDispose, ref } from 'vue'

/** Returns whether the window has room for the side navigation: the width at which Tailwind's `lg` begins. */
export function useIsWide() {
  const query = window.matchMedia('(min-width: 64rem)')
  const isWide = ref(query.matches)
  const onChange = () => (isWide.value = query.matches)
  query.addEventListener('change', onChange)
  onScopeDispose(() => query.removeEventListener('change', onChange))
  return isWide
}
