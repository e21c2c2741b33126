/** The draft of a feature spec: rows of the table, their mistakes, and how versions differ. */
import type {
  Derivation,
  FeatureColumn,
  FeatureMeasurement,
  FeatureSet,
  FeatureSpec,
  Field,
  FieldKind,
  FieldOptions,
  Worth,
} from '@/api/features'

export const KINDS: FieldKind[] = ['text', 'category', 'number', 'time', 'vector']

/** The options of each kind, in the order they are shown. */
export const OPTIONS_OF: Record<FieldKind, (keyof FieldOptions)[]> = {
  text: ['min_count', 'max_terms', 'word_pairs'],
  category: ['separator', 'min_count', 'max_terms'],
  number: ['log', 'knots', 'lenient'],
  time: ['log', 'knots', 'calendar', 'lenient'],
  vector: [],
}
const ALL_OPTIONS: (keyof FieldOptions)[] = [
  'separator',
  'min_count',
  'max_terms',
  'word_pairs',
  'log',
  'knots',
  'calendar',
  'lenient',
]

/** Whole numbers that the server accepts, and its default. */
export const NUMBER_OPTIONS = {
  min_count: { least: 1, most: 4_294_967_295, default: 2 },
  max_terms: { least: 1, most: 1_000_000, default: 30_000 },
  knots: { least: 2, most: 16, default: 16 },
} as const
export type NumberOption = keyof typeof NUMBER_OPTIONS

export const STEPS = ['extract', 'split', 'bucket', 'log', 'age', 'cross'] as const
export type StepName = (typeof STEPS)[number]
export const MOST_STEPS = 20

export interface DraftRow {
  /** Identifies the row while the page is open. */
  key: number
  /** Whether the field is part of the spec. */
  used: boolean
  field: Field
}

let lastKey = 0
export const rowOf = (field: Field, used: boolean): DraftRow => ({ key: (lastKey += 1), used, field })

export const stepName = (step: Derivation): StepName =>
  typeof step === 'string' ? step : (Object.keys(step)[0] as StepName)

/** Returns the argument of a step as it is typed. */
export function stepArgument(step: Derivation): string {
  if (typeof step === 'string') return ''
  if ('extract' in step) return step.extract.pattern
  if ('split' in step) return step.split.separator
  if ('bucket' in step) return Number.isFinite(step.bucket.width) ? String(step.bucket.width) : ''
  return step.cross.with
}

export function stepWith(name: StepName, argument: string): Derivation {
  switch (name) {
    case 'extract':
      return { extract: { pattern: argument } }
    case 'split':
      return { split: { separator: argument } }
    case 'bucket':
      return { bucket: { width: argument.trim() === '' ? NaN : Number(argument) } }
    case 'cross':
      return { cross: { with: argument } }
    default:
      return name
  }
}

/** The server keeps weights in single precision, which keeps this many digits. */
const WEIGHT_DIGITS = 6

/** Returns the field with only what it needs, in one order, so that equal fields have equal JSON. */
export function trimmed(field: Field): Field {
  const options = Object.fromEntries(
    ALL_OPTIONS.filter((name) => field.options?.[name] !== undefined).map((name) => [
      name,
      field.options?.[name],
    ]),
  ) as FieldOptions
  return {
    column: field.column,
    kind: field.kind,
    weight: Number((field.weight ?? 1).toPrecision(WEIGHT_DIGITS)),
    ...(field.derive?.length ? { derive: field.derive } : {}),
    ...(Object.keys(options).length ? { options } : {}),
  }
}
const identity = (field: Field) => JSON.stringify(trimmed(field))
export const specText = (spec: FeatureSpec) => JSON.stringify(spec.fields.map(trimmed))

export const specOf = (rows: DraftRow[]): FeatureSpec => ({
  version: 1,
  fields: rows.filter((row) => row.used).map((row) => trimmed(row.field)),
})

/** Returns a row for each field of a spec, then one for each column that it does not use. */
export function rowsOf(spec: FeatureSpec, columns: FeatureColumn[]): DraftRow[] {
  return withColumns(
    spec.fields.map((field) => rowOf(trimmed(field), true)),
    columns,
  )
}

/** Returns the rows with those of columns that were added to the items, and without unused ones of columns that are gone. */
export function withColumns(rows: DraftRow[], columns: FeatureColumn[]): DraftRow[] {
  const names = new Set(columns.map((column) => column.column))
  const kept = rows.filter((row) => row.used || names.has(row.field.column))
  const present = new Set(kept.map((row) => row.field.column))
  const added = columns.filter((column) => !present.has(column.column))
  return [
    ...kept,
    ...added.map(({ column, kind }) => rowOf({ column, kind: kind ?? 'category', weight: 1 }, false)),
  ]
}

/** Changes the kind of a field; options of other kinds are dropped, since the server refuses them. */
export function withKind(field: Field, kind: FieldKind): Field {
  const kept = Object.entries(field.options ?? {}).filter(([name]) =>
    OPTIONS_OF[kind].includes(name as keyof FieldOptions),
  )
  return { ...field, kind, options: Object.fromEntries(kept) as FieldOptions }
}

export function withOption<Name extends keyof FieldOptions>(
  field: Field,
  name: Name,
  value: FieldOptions[Name],
): Field {
  const options = { ...field.options, [name]: value }
  if (value === undefined) delete options[name]
  return { ...field, options }
}

/** What is wrong with a field that can be seen without the server: a message key by the part it is about. */
export type Mistakes = Record<string, string>

export function mistakesOf(field: Field, columns: Set<string>): Mistakes {
  const found: Mistakes = {}
  if (!columns.has(field.column)) found.column = 'features.mistakes.column'
  if (!(Number(field.weight ?? 1) > 0)) found.weight = 'features.mistakes.weight'
  for (const [name, { least, most }] of Object.entries(NUMBER_OPTIONS)) {
    const value = field.options?.[name as NumberOption]
    if (value === undefined) continue
    if (!Number.isInteger(value) || value < least || value > most) found[name] = `features.mistakes.${name}`
  }
  for (const [at, step] of (field.derive ?? []).entries()) {
    const name = stepName(step)
    const argument = stepArgument(step)
    if (name === 'bucket' ? !(Number(argument) > 0) : hasArgument(name) && argument === '')
      found[`step-${at}`] = `features.mistakes.${name}`
    else if (name === 'cross' && !columns.has(argument)) found[`step-${at}`] = 'features.mistakes.column'
  }
  return found
}

export const hasArgument = (name: StepName) => name !== 'log' && name !== 'age'

const ABOUT_COLUMN = /^Column ("(?:[^"\\]|\\.)*"):? (.*)$/is

/** Divides a refusal of the server, `Column "x": …`, into the column and what is wrong with it. */
export function aboutColumn(message: string): { column: string; text: string } | null {
  const parts = ABOUT_COLUMN.exec(message)
  if (!parts) return null
  try {
    const text = parts[2] as string
    return {
      column: JSON.parse(parts[1] as string) as string,
      text: text.charAt(0).toUpperCase() + text.slice(1),
    }
  } catch {
    return null
  }
}

/** The worth of a field; `isOther` if the field was measured with other settings. */
export type RowWorth = Worth & { isOther: boolean }

/** Returns a function that finds the worth of a field in a measurement of a set. */
export function worthIn(measurement: FeatureMeasurement | undefined, set: FeatureSet | undefined) {
  const exact = new Map<string, Worth>()
  const byColumn = new Map<string, Worth | null>()
  for (const worth of measurement?.result?.fields ?? []) {
    const field = set?.spec.fields[worth.field]
    if (field) exact.set(identity(field), worth)
    // The worth of a column with several fields says nothing about a changed one of them.
    byColumn.set(worth.column, byColumn.has(worth.column) ? null : worth)
  }
  return (field: Field): RowWorth | undefined => {
    const same = exact.get(identity(field))
    if (same) return { ...same, isOther: false }
    const other = byColumn.get(field.column)
    return other ? { ...other, isOther: true } : undefined
  }
}

export interface FieldChange {
  sign: 'added' | 'removed' | 'changed'
  column: string
  before?: Field
  after?: Field
}

/** Returns how the fields of one spec differ from those of another, column by column. */
export function changesBetween(before: FeatureSpec, after: FeatureSpec): FieldChange[] {
  const rest = [...after.fields]
  const gone: Field[] = []
  for (const field of before.fields) {
    const at = rest.findIndex((other) => identity(other) === identity(field))
    if (at >= 0) rest.splice(at, 1)
    else gone.push(field)
  }
  const changes = gone.map((field): FieldChange => {
    const at = rest.findIndex((other) => other.column === field.column)
    const [other] = at >= 0 ? rest.splice(at, 1) : []
    return { sign: other ? 'changed' : 'removed', column: field.column, before: field, after: other }
  })
  return [
    ...changes,
    ...rest.map((field) => ({ sign: 'added' as const, column: field.column, after: field })),
  ]
}

export type SortBy = 'file' | 'name' | 'coverage' | 'worth'

export interface TableView {
  text: string
  onlyUsed: boolean
  sort: SortBy
}

/** Returns the rows to show, in order. */
export function visibleRows(
  rows: DraftRow[],
  columns: Map<string, FeatureColumn>,
  worthOf: (field: Field) => RowWorth | undefined,
  view: TableView,
): DraftRow[] {
  const wanted = view.text.trim().toLowerCase()
  const shown = rows.filter(
    (row) => (row.used || !view.onlyUsed) && row.field.column.toLowerCase().includes(wanted),
  )
  const place = new Map([...columns.keys()].map((name, at) => [name, at]))
  const inFile = (row: DraftRow) => place.get(row.field.column) ?? Infinity
  const worth = (row: DraftRow) => (row.used ? worthOf(row.field)?.worth : undefined) ?? -Infinity
  const coverage = (row: DraftRow) => columns.get(row.field.column)?.coverage ?? -1
  const orders: Record<SortBy, (a: DraftRow, b: DraftRow) => number> = {
    file: () => 0,
    name: (a, b) => a.field.column.localeCompare(b.field.column, undefined, { numeric: true }),
    coverage: (a, b) => coverage(b) - coverage(a),
    worth: (a, b) => descending(worth(a), worth(b)),
  }
  const inOrder = orders[view.sort]
  return shown.sort((a, b) => inOrder(a, b) || descending(inFile(b), inFile(a)))
}

const descending = (a: number, b: number) => (a === b ? 0 : b > a ? 1 : -1)
