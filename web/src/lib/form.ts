import { computed, nextTick, ref, useTemplateRef, watch, type Ref } from 'vue'
import { ApiError } from '@/api/client'
import { fieldError } from './errors'

/** Returns what is wrong with a field; `null` for fields that only the server checks. */
export type Check = (() => string | undefined) | null

/** PrimeVue marks the box of a Select, not the part that gets the focus. */
const MISTAKE = '[aria-invalid="true"], .p-invalid [role="combobox"]'

/**
 * Validates a form. Its own mistakes are shown once the user has tried to submit; the server's messages are shown at the
 * field they are about. The first mistake gets the focus: the form element has `ref="root"`.
 * `names` maps fields to the server's names, where these differ.
 */
export function useForm<Field extends string>(
  checks: Record<Field, Check>,
  failure: Ref<unknown>,
  names: Partial<Record<Field, string[]>> = {},
) {
  const root = useTemplateRef<HTMLElement>('root')
  const touched = ref(false)
  const fields = Object.keys(checks) as Field[]
  const messages = (of: (field: Field) => string | undefined) =>
    Object.fromEntries(fields.map((field) => [field, of(field)])) as Record<Field, string | undefined>
  const namesOf = (field: Field) => names[field] ?? [field]
  const said = (field: Field) =>
    namesOf(field)
      .map((name) => fieldError(failure.value, name))
      .find(Boolean)

  const own = computed(() => messages((field) => checks[field]?.()))
  const valid = computed(() => fields.every((field) => !own.value[field]))
  const errors = computed(() =>
    messages((field) => (touched.value ? own.value[field] : undefined) ?? said(field)),
  )
  /** A failure that is not about any of the fields. */
  const otherError = computed(() => {
    const error = failure.value
    const known = error instanceof ApiError && fields.flatMap(namesOf).some((name) => name in error.fields)
    return known ? null : error
  })

  async function focusMistake() {
    await nextTick()
    root.value?.querySelector<HTMLElement>(MISTAKE)?.focus()
  }
  watch(failure, (error) => error && void focusMistake())

  /** Sends the form if it has no mistakes, else shows them. */
  function submit(send: () => void) {
    touched.value = true
    if (valid.value) send()
    else void focusMistake()
  }
  const reset = () => (touched.value = false)

  return { touched, errors, otherError, valid, submit, reset }
}
