import { onScopeDispose, ref, shallowRef, watch } from 'vue'
import { ApiError } from '@/api/client'
import { previewFeatures, type FeaturePreview, type FeatureSpec } from '@/api/features'

/** The wait after too many requests, if the server gives none. */
const BUSY_MS = 3_000

/** Long enough to type a word without a request for each letter. */
const PAUSE_MS = 300

export interface Asked {
  project: number
  spec: FeatureSpec
  /** The keys of the rows of the spec's fields, in their order. */
  keys: number[]
  itemId: string
}

/** Keeps a preview of a spec: asks after each pause of typing, and drops the answers that are no longer wanted. */
export function useFeaturePreview(asked: () => Asked | null) {
  const preview = shallowRef<{ keys: number[]; body: FeaturePreview }>()
  const error = shallowRef<unknown>(null)
  const isPending = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let controller: AbortController | undefined

  function stop() {
    clearTimeout(timer)
    controller?.abort()
    isPending.value = false
  }

  async function ask(question: Asked) {
    const own = (controller = new AbortController())
    const { project, spec, itemId } = question
    try {
      const body = { project, spec, ...(itemId === '' ? {} : { item_id: itemId }) }
      const answer = await previewFeatures(body, own.signal)
      if (own.signal.aborted) return
      preview.value = { keys: question.keys, body: answer }
      error.value = null
    } catch (cause) {
      if (own.signal.aborted) return
      // Quick typing can use up what the server allows; the preview then only comes later.
      if (cause instanceof ApiError && cause.status === 429) {
        timer = setTimeout(() => void ask(question), cause.retryAfter ? cause.retryAfter * 1000 : BUSY_MS)
        return
      }
      error.value = cause
    }
    isPending.value = false
  }

  let isFirst = true
  function request() {
    stop()
    const question = asked()
    if (!question) return
    isPending.value = true
    timer = setTimeout(() => void ask(question), isFirst ? 0 : PAUSE_MS)
    isFirst = false
  }
  watch(() => JSON.stringify(asked()), request, { immediate: true })
  onScopeDispose(stop)

  return { preview, error, isPending, retry: request }
}
