import { useConfirm } from 'primevue/useconfirm'
import { useI18n } from 'vue-i18n'
import { ApiError } from '@/api/client'
import { blocked } from './blocked'
import { useNotify } from './notify'

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
  const notify = useNotify()
  const { t } = useI18n()

  async function run(question: Question): Promise<void> {
    try {
      await question.act()
      notify.success(question.done)
    } catch (error) {
      if (error instanceof ApiError && error.dependents.length > 0) {
        blocked.value = error
        return
      }
      notify.error(error)
    }
  }

  return (question: Question) =>
    confirm.require({
      header: question.title,
      message: question.text,
      icon: question.harmless ? 'pi pi-question-circle' : 'pi pi-exclamation-triangle',
      defaultFocus: 'reject',
      rejectProps: { label: question.reject ?? t('common.cancel'), severity: 'secondary', text: true },
      acceptProps: {
        label: question.accept,
        severity: question.harmless ? undefined : 'danger',
        'data-testid': 'confirm-accept',
      },
      accept: () => void run(question),
    })
}
