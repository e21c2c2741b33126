import { reactive, toValue, type MaybeRefOrGetter, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { useForm } from './form'

export const MIN_PASSWORD = 8
const EMAIL = /^\S+@\S+$/
export const isEmail = (text: string) => EMAIL.test(text.trim())

export interface CredentialRules {
  username?: boolean
  email?: 'required' | 'optional'
  /** Whether a password is asked for; true by default. */
  password?: boolean
  repeat?: boolean
}

/** Returns the form that sets up an account or a password. */
export function useCredentials(asked: MaybeRefOrGetter<CredentialRules>, failure: Ref<unknown>) {
  const { t } = useI18n()
  const form = reactive({ username: '', email: '', password: '', repeat: '' })

  function emailMistake(): string | undefined {
    const rule = toValue(asked).email
    if (!rule || (rule === 'optional' && form.email.trim() === '')) return undefined
    if (form.email.trim() === '') return t('errors.required')
    return isEmail(form.email) ? undefined : t('gate.badEmail')
  }

  const { reset: untouch, ...checked } = useForm(
    {
      username: () =>
        toValue(asked).username && form.username.trim() === '' ? t('errors.required') : undefined,
      email: emailMistake,
      password: () =>
        toValue(asked).password !== false && form.password.length < MIN_PASSWORD
          ? t('account.tooShort')
          : undefined,
      repeat: () =>
        toValue(asked).repeat && form.repeat !== form.password ? t('account.mismatch') : undefined,
    },
    failure,
    { password: ['password', 'new_password', 'new_password1'], repeat: ['new_password2'] },
  )

  function reset() {
    Object.assign(form, { username: '', email: '', password: '', repeat: '' })
    untouch()
  }

  return { form, ...checked, reset }
}
