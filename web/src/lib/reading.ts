import { useI18n } from 'vue-i18n'
import type { ColumnNote, MetaDataColumn, LateTimes } from '@/api/types'
import { useFormat } from './format'

/** A sentence about a file; some are warnings. */
export interface Remark {
  text: string
  warns: boolean
}

/** Decisions of no consequence for the owner of the file. */
const PLAIN = new Set<ColumnNote['kind']>([
  'times_read',
  'ids_read_as_whole_numbers',
  'delimiter_found',
  'encoding_found',
  'carriage_returns',
  'doubled_returns',
  'backslash_escapes',
])

/** Describes how a file was read, in the reader's language. */
export function useReading() {
  const { t } = useI18n()
  const format = useFormat()
  const examplesOf = (values: string[]) =>
    values.length ? t('reading.examples', { examples: values.map((value) => `“${value}”`).join(', ') }) : ''
  const guessOf = (note: ColumnNote) => (note.guess ? t(`reading.guesses.${note.guess}`) : '')

  function textOf(note: ColumnNote): string {
    const values = {
      column: note.column ?? '',
      n: format.count(note.count),
      guess: guessOf(note),
      examples: examplesOf(note.examples),
    }
    if (note.count > 0 && (note.kind === 'times_read' || note.kind === 'encoding_found'))
      return t(`reading.some.${note.kind}`, values, note.count)
    const text = t(`reading.notes.${note.kind}`, values, note.count)
    return note.guess && (note.kind === 'times_before1980' || note.kind === 'times_after_upload')
      ? text + t('reading.look', { guess: values.guess })
      : text
  }

  function late(times: LateTimes): Remark {
    const last = format.date(times.last)
    const text = times.counted_as
      ? t(
          'reading.late',
          { n: format.count(times.rows), last, time: format.when(times.counted_as) },
          times.rows,
        )
      : t('reading.allLate', { last })
    return { text, warns: true }
  }

  /** Returns the remarks about a file; warnings come first. */
  function remarks(notes: ColumnNote[], lateTimes?: LateTimes | null): Remark[] {
    const kept = notes.filter((note) => note.kind !== 'times_after_upload' || !lateTimes || note.guess)
    const all = kept.map((note) => ({
      text: textOf(note),
      warns: !PLAIN.has(note.kind) || (note.kind === 'encoding_found' && note.count > 0),
    }))
    if (lateTimes) all.unshift(late(lateTimes))
    return [...all.filter((remark) => remark.warns), ...all.filter((remark) => !remark.warns)]
  }

  /** Returns remarks about conspicuous columns of metadata. */
  function columnRemarks(columns: MetaDataColumn[]): Remark[] {
    return columns.flatMap((column) => {
      const values = {
        column: column.name,
        cells: format.count(column.cells),
        examples: examplesOf(column.examples),
      }
      const about = (key: 'notNumbers' | 'formatted', n: number) => ({
        text: t(`reading.${key}`, { ...values, n: format.count(n) }, n),
        warns: true,
      })
      if (column.not_numbers > 0) return [about('notNumbers', column.not_numbers)]
      return column.formatted_numbers > 0 ? [about('formatted', column.formatted_numbers)] : []
    })
  }

  return { remarks, columnRemarks }
}
