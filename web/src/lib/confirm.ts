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
  /** The action; its failure is shown. */
  act: () => Promise<unknown>
  /** The message after success, unless the action shows one. */
  done?: string
  /** Whether nothing is lost by the action, although it is large. */
  harmless?: boolean
}

/** Asks for confirmation of a large or irreversible action, runs it, and reports the result. */
export function useDestructive() {
  const confirm = useConfirm()
  const notify = useNotify()
  const { t } = useI18n()

  async function run(question: Question): Promise<void> {
    try {
      await question.act()
      if (question.done !== undefined) notify.success(question.done)
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
