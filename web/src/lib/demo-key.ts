import { computed, reactive, ref, toValue, type MaybeRefOrGetter } from 'vue'
import { post } from '@/api/client'
import { newDemoKey, type DemoKey } from '@/api/studio'

const PLACE = 'recotem.demo-key.'
const DAY_MS = 86_400_000
const LIFETIME_DAYS = 30

/** Keys by project. They may only predict, and are kept for as long as the tab is open. */
const keys = reactive(new Map<number, DemoKey | null>())

function stored(project: number): DemoKey | null {
  try {
    const found = JSON.parse(sessionStorage.getItem(PLACE + project) ?? 'null') as DemoKey | null
    return found && Date.parse(found.expires_at) > Date.now() ? found : null
  } catch {
    return null
  }
}

function store(project: number, key: DemoKey | null) {
  keys.set(project, key)
  try {
    if (key) sessionStorage.setItem(PLACE + project, JSON.stringify(key))
    else sessionStorage.removeItem(PLACE + project)
  } catch {
    // Without storage the key is only known until the page is reloaded.
  }
}

function keyOf(project: number): DemoKey | null {
  if (!keys.has(project)) keys.set(project, stored(project))
  return keys.get(project) ?? null
}

/** Makes a key for a project that the studio has not made: it has no demo key to replace. */
async function newKeyOf(project: number): Promise<DemoKey> {
  const expires_at = new Date(Date.now() + LIFETIME_DAYS * DAY_MS).toISOString()
  const made = await post('/api_keys/', {
    body: { project, name: 'demo', scopes: ['predict'], expires_at },
  })
  return { key: made.key, expires_at }
}

/** The demo key of a project, which the server shows only once: of a run of the studio, if there is one. */
export function useDemoKey(
  project: MaybeRefOrGetter<number | undefined>,
  run: MaybeRefOrGetter<number | null | undefined>,
) {
  const isPending = ref(false)
  const error = ref<unknown>(null)
  const key = computed(() => {
    const id = toValue(project)
    return id === undefined ? null : (keyOf(id)?.key ?? null)
  })

  async function create() {
    const [id, ofRun] = [toValue(project), toValue(run)]
    if (id === undefined || isPending.value) return
    isPending.value = true
    error.value = null
    try {
      store(id, ofRun ? await newDemoKey(ofRun) : await newKeyOf(id))
    } catch (cause) {
      error.value = cause
    } finally {
      isPending.value = false
    }
  }
  /** Forgets a key that the server refuses. */
  function forget() {
    const id = toValue(project)
    if (id !== undefined) store(id, null)
  }

  return { key, isPending, error, create, forget }
}
