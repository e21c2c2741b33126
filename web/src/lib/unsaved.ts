import { useConfirm } from 'primevue/useconfirm'
import { onScopeDispose } from 'vue'
import { useI18n } from 'vue-i18n'
import { onBeforeRouteLeave, onBeforeRouteUpdate } from 'vue-router'

/** Asks for confirmation before a page with unsaved changes is left, within the application or by closing the window. */
export function useUnsavedGuard(unsaved: () => boolean): void {
  const confirm = useConfirm()
  const { t } = useI18n()

  const ask = () =>
    new Promise<boolean>((resolve) =>
      confirm.require({
        header: t('unsaved.title'),
        message: t('unsaved.text'),
        icon: 'pi pi-exclamation-triangle',
        defaultFocus: 'reject',
        rejectProps: { label: t('unsaved.stay'), severity: 'secondary', text: true },
        acceptProps: { label: t('unsaved.leave'), severity: 'danger', 'data-testid': 'confirm-accept' },
        accept: () => resolve(true),
        reject: () => resolve(false),
        onHide: () => resolve(false),
      }),
    )
  const guard = () => (unsaved() ? ask() : true)
  onBeforeRouteLeave(guard)
  onBeforeRouteUpdate(guard)

  const onUnload = (event: BeforeUnloadEvent) => {
    if (unsaved()) event.preventDefault()
  }
  window.addEventListener('beforeunload', onUnload)
  onScopeDispose(() => window.removeEventListener('beforeunload', onUnload))
}
