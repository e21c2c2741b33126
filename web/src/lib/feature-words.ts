import { useI18n } from 'vue-i18n'
import type { Field, FieldOptions } from '@/api/features'
import { hasArgument, OPTIONS_OF, stepArgument, stepName } from './feature-spec'
import { useFormat } from './format'
import { useSaid } from './said'

/** Describes fields in the reader's language. */
export function useFieldWords() {
  const { t } = useI18n()
  const format = useFormat()

  const said = useSaid()

  function option(name: keyof FieldOptions, value: FieldOptions[keyof FieldOptions]): string {
    if (name === 'separator' && value === '') return t('features.summaries.undivided')
    if (name === 'log' && value === false) return t('features.summaries.linear')
    if (value === undefined || value === false) return ''
    return t(`features.summaries.${name}`, { value: typeof value === 'number' ? format.count(value) : value })
  }

  function steps(field: Field): string {
    return (field.derive ?? [])
      .map((step) => {
        const name = stepName(step)
        const label = t(`features.stepNames.${name}`)
        return hasArgument(name) ? `${label} ${stepArgument(step)}` : label
      })
      .join(' → ')
  }

  /** The derivations and options of a field that are not the default. */
  function settings(field: Field): string[] {
    const options = OPTIONS_OF[field.kind].map((name) => option(name, field.options?.[name]))
    return [steps(field), ...options].filter((text) => text !== '')
  }

  /** A field in one line. */
  function field(row: Field): string {
    const weight = t('features.weightValue', { n: row.weight ?? 1 })
    return [t(`features.kinds.${row.kind}`), ...settings(row), weight].join(' · ')
  }

  return { said, settings, field }
}
