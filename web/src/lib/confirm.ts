import { useConfirm } from 'primevue/useconfirm'
import { useToast } from 'primevue/usetoast'
import { useI18n } from 'vue-i18n'
import { ApiError } from '@/api/client'
import { blocked } from './blocked'
import { useErrorText } from './errors'

interface Question {
  title: string
  text: string
  accept: string
  reject?: string
  /** What to do; its failure is shown. */
  act: () => Promise<unknown>
  /** What to say afterwards. */
  done: string
  /** Large, but nothing is lost by it. */
  harmless?: boolean
}

/** Asks before something large or that cannot be undone, does it, and says so. */
export function useDestructive() {
  const confirm = useConfirm()
  const toast = useToast()
  const { t } = useI18n()
  const errorText = useErrorText()

  async function run(question: Question): Promise<void> {
    try {
      await question.act()
      toast.add({ severity: 'success', summary: question.done, life: 4000 })
    } catch (error) {
      if (error instanceof ApiError && error.dependents.length > 0) {
        blocked.value = error
        return
      }
      toast.add({ severity: 'error', summary: t('errors.title'), detail: errorText(error), life: 10_000 })
    }
  }

  return (question: Question) =>
    confirm.require({
      header: question.title,
      message: question.text,
      icon: question.harmless ? 'pi pi-question-circle' : 'pi pi-exclamation-triangle',
      defaultFocus: 'reject',
      rejectProps: { label: question.reject ?? t('common.cancel'), severity: 'secondary', text: true },
      acceptProps: { label: question.accept, severity: question.harmless ? undefined : 'danger', 'data-testid': 'confirm-accept' },
      accept: () => void run(question),
    })
}
