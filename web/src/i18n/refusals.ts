import type { Locale } from './index'
import { refusalsInJapanese } from './ja-refusals'

/** The server's refusals in another language. What is missing is shown in the server's own words. */
export interface Refusals {
  /** By the code of the answer. */
  codes: Record<string, string>
  /** By the sentence as it stands in the server's source, where braces stand for values: the first is `{0}` here. */
  sentences: Record<string, string>
  /** Values that the reader knows by another name. */
  values: Record<string, string>
}

const TABLES: Partial<Record<Locale, Refusals>> = { ja: refusalsInJapanese }

const VALUE = /\{[^{}]*\}/

/** The server writes a clause about a file as a sentence, with a capital and a full stop. */
function pattern(sentence: string): RegExp {
  const fixed = sentence.split(VALUE).map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${fixed.join('(.+?)')}\\.?$`, 'is')
}

const PATTERNS = new Map<Refusals, [RegExp, string][]>()

function patternsOf(table: Refusals): [RegExp, string][] {
  const known = PATTERNS.get(table)
  if (known) return known
  const made = Object.entries(table.sentences).map(([from, to]): [RegExp, string] => [pattern(from), to])
  PATTERNS.set(table, made)
  return made
}

/** A sentence of the server in another language; nothing where there is no translation. */
export function translatedSentence(locale: Locale, sentence: string): string | undefined {
  const table = TABLES[locale]
  if (!table) return undefined
  for (const [from, to] of patternsOf(table)) {
    const values = from.exec(sentence)?.slice(1)
    if (values) return to.replace(/\{(\d)\}/g, (_, place) => valueOf(table, values[Number(place)]))
  }
  return undefined
}

function valueOf(table: Refusals, value = ''): string {
  return table.values[value] ?? value
}

/** A refusal in another language, by its code or else by its sentence. */
export function translated(locale: Locale, code: string | null, sentence: string): string | undefined {
  return (code === null ? undefined : TABLES[locale]?.codes[code]) ?? translatedSentence(locale, sentence)
}
