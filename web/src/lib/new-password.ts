import { computed, reactive, ref, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { ApiError } from '@/api/client'
import { fieldError } from './errors'

export const MIN_PASSWORD = 8

/** What is wrong with the fields of a form that sets up an account or a password: said here first, then by the server. */
export function useCredentials(fields: { username?: boolean; email?: 'required' | 'optional'; repeat?: boolean }, failure: Ref<unknown>) {
  const { t } = useI18n()
  const form = reactive({ username: '', email: '', password: '', repeat: '' })
  const touched = ref(false)

  const own = computed(() => ({
    username: fields.username && form.username.trim() === '' ? t('errors.required') : undefined,
    email: emailMistake(),
    password: form.password.length < MIN_PASSWORD ? t('account.tooShort') : undefined,
    repeat: fields.repeat && form.repeat !== form.password ? t('account.mismatch') : undefined,
  }))

  function emailMistake(): string | undefined {
    const email = form.email.trim()
    if (!fields.email || (fields.email === 'optional' && email === '')) return undefined
    if (email === '') return t('errors.required')
    return /^\S+@\S+$/.test(email) ? undefined : t('gate.badEmail')
  }

  const errors = computed(() => {
    const said = (...names: string[]) => names.map((name) => fieldError(failure.value, name)).find(Boolean)
    const shown = touched.value ? own.value : { username: undefined, email: undefined, password: undefined, repeat: undefined }
    return {
      username: shown.username ?? said('username'),
      email: shown.email ?? said('email'),
      password: shown.password ?? said('password', 'new_password', 'new_password1'),
      repeat: shown.repeat ?? said('new_password2'),
    }
  })
  /** A failure that belongs to none of the fields. */
  const otherError = computed(() => {
    const error = failure.value
    const known = ['username', 'email', 'password', 'new_password', 'new_password1', 'new_password2']
    return error instanceof ApiError && known.some((name) => name in error.fields) ? null : error
  })
  const valid = computed(() => Object.values(own.value).every((mistake) => !mistake))

  function reset() {
    Object.assign(form, { username: '', email: '', password: '', repeat: '' })
    touched.value = false
  }

  return { form, touched, errors, otherError, valid, reset }
}
