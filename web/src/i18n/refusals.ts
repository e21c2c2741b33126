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
  /** The files of the studio, which are values named `file` or `part`. */
  files: Record<string, string>
}

const TABLES: Partial<Record<Locale, Refusals>> = { ja: refusalsInJapanese }

const VALUE = /\{[^{}]*\}/g

/** Parts of sentences that the server leaves out where there is nothing to say. */
const PARTS: Record<string, string> = {
  '{place}': '( at line \\d+)?',
  '{seems}': '( \\(it looks like .+?\\))?',
  '{why}': '( The first is at .+)?',
  '{hint}': '(; a quotation mark .+)?',
}

/** The server writes a clause about a file as a sentence, with a capital and a full stop. */
function pattern(sentence: string): RegExp {
  const fixed = sentence.split(VALUE).map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  const values = (sentence.match(VALUE) ?? []).map((value) => PARTS[value] ?? '(.+?)')
  return new RegExp(`^${fixed.map((text, at) => text + (values[at] ?? '')).join('')}\\.?$`, 'is')
}

interface Pattern {
  from: RegExp
  /** The places of values in the English sentence, as they are written there. */
  places: string[]
  to: string
}
const PATTERNS = new Map<Refusals, Pattern[]>()

function patternsOf(table: Refusals): Pattern[] {
  const known = PATTERNS.get(table)
  if (known) return known
  const made = Object.entries(table.sentences).map(([from, to]) => ({
    from: pattern(from),
    places: from.match(VALUE) ?? [],
    to,
  }))
  PATTERNS.set(table, made)
  return made
}

/** A sentence of the server in another language; nothing where there is no translation. */
export function translatedSentence(locale: Locale, sentence: string): string | undefined {
  const table = TABLES[locale]
  if (!table) return undefined
  for (const { from, places, to } of patternsOf(table)) {
    const values = from.exec(sentence)?.slice(1)
    if (!values) continue
    const said = (at: number) => valueOf(locale, table, places[at] ?? '', values[at] ?? '')
    return to.replace(/\{(\d)\}/g, (_, place) => said(Number(place)))
  }
  return undefined
}

/** A value may be a sentence of its own, such as the reason of another. */
function valueOf(locale: Locale, table: Refusals, place: string, value: string): string {
  if (place === '{file}' || place === '{part}') return table.files[value] ?? value
  const known = table.values[value]
  if (known !== undefined) return known
  return (value.includes(' ') ? translatedSentence(locale, value) : undefined) ?? value
}

/** A refusal in another language, by its code or else by its sentence. */
export function translated(locale: Locale, code: string | null, sentence: string): string | undefined {
  return (code === null ? undefined : TABLES[locale]?.codes[code]) ?? translatedSentence(locale, sentence)
}
