import { useI18n } from 'vue-i18n'
import type { TrainedModel } from '@/api/types'
import { shortName } from './format'

/** Returns the name of a model: “Model 12 · IALS”. */
export function useModelName() {
  const { t } = useI18n()
  return (model: Pick<TrainedModel, 'id' | 'recommender_class_name'>) =>
    [t('models.model', { id: model.id }), shortName(model.recommender_class_name)].filter(Boolean).join(' · ')
}
