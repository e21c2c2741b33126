import { useToast } from 'primevue/usetoast'
import { useI18n } from 'vue-i18n'
import { useErrorText } from './errors'

const SUCCESS_MS = 4_000
/** An error takes longer to read, and must not be missed. */
const ERROR_MS = 10_000

/** Shows short messages in a corner of the page. */
export function useNotify() {
  const toast = useToast()
  const { t } = useI18n()
  const errorText = useErrorText()

  return {
    success: (summary: string) => toast.add({ severity: 'success', summary, life: SUCCESS_MS }),
    error: (error: unknown) =>
      toast.add({
        severity: 'error',
        summary: t('errors.title'),
        detail: errorText(error),
        life: ERROR_MS,
      }),
  }
}
