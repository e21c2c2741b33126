import { useI18n } from 'vue-i18n'

/** Readable names of the resources in the server's audit log and refusals. */
export const RESOURCES = [
  'users',
  'session',
  'password_reset_link',
  'organisation',
  'member',
  'invitation',
  'project',
  'training_data',
  'item_meta_data',
  'user_meta_data',
  'split_config',
  'evaluation_config',
  'model_configuration',
  'parameter_tuning_job',
  'trained_model',
  'api_keys',
  'app',
  'webhook_endpoint',
  'data_connection',
  'data_source',
  'source_run',
  'deployment_slot',
  'ab_test',
  'retraining_schedule',
  'retraining_run',
  'feature_sets',
  'feature_measurements',
  'studio',
  'destination',
  'delivery',
] as const

export function useResourceName() {
  const { t, te } = useI18n()
  return (resource: string) => (te(`resources.${resource}`) ? t(`resources.${resource}`) : resource)
}
