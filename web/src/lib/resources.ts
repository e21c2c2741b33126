import { useI18n } from 'vue-i18n'

/** What the server calls things, as people call them. */
export const RESOURCES = [
  'user', 'organisation', 'member', 'invitation', 'project', 'training_data', 'item_meta_data', 'split_config', 'evaluation_config', 'model_configuration',
  'parameter_tuning_job', 'trained_model', 'api_key', 'deployment_slot', 'ab_test', 'retraining_schedule',
] as const

export function useResourceName() {
  const { t, te } = useI18n()
  return (resource: string) => (te(`resources.${resource}`) ? t(`resources.${resource}`) : resource)
}
