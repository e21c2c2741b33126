import { useI18n } from 'vue-i18n'

const EVENT_WEIGHT = 'event_weight.'
const HALF_LIFE = 'half_life_days'

/** Returns whether a parameter belongs to the data and not to the algorithm: such names are words, not identifiers. */
export const isDataParameter = (name: string) => name.startsWith(EVENT_WEIGHT) || name === HALF_LIFE

/** Returns the readable name of a parameter: `event_weight.purchase` → “weight of purchase”. */
export function useParameterName() {
  const { t } = useI18n()
  return (name: string): string => {
    if (name === HALF_LIFE) return t('parameters.halfLife')
    return name.startsWith(EVENT_WEIGHT)
      ? t('parameters.eventWeight', { event: name.slice(EVENT_WEIGHT.length) })
      : name
  }
}
