import { useI18n } from 'vue-i18n'
import type { SourceRun } from '@/api/sources'
import { useFormat } from './format'

type Window = Pick<SourceRun, 'window_from' | 'window_to'>

/** Words for the window of a run. Its ends are moments, or numbers of a growing column. */
export function useWindowWords() {
  const { t } = useI18n()
  const format = useFormat()
  const end = (value: string | null) => {
    if (value === null) return t('sources.beginning')
    return /^-?\d+$/.test(value) ? format.count(Number(value)) : format.when(value)
  }
  return {
    /** As a value: from – to. */
    range: (run: Window) =>
      run.window_to === null
        ? t('sources.wholeTable')
        : t('sources.upTo', { from: end(run.window_from), to: end(run.window_to) }),
    /** As part of a sentence; nothing for a whole table. */
    sentence: (run: Window) =>
      run.window_to === null
        ? null
        : t('sources.windowWords', { from: end(run.window_from), to: end(run.window_to) }),
    end,
  }
}
