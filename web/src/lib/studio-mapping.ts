/** The draft of what the columns of the files are: what was guessed, and what the reader has changed. */
import type { FieldKind } from '@/api/features'
import {
  COLUMN_ROLES,
  FILE_ROLES,
  type ColumnRole,
  type FileRole,
  type Guess,
  type GuessedColumn,
  type MappedColumn,
  type Mapping,
} from '@/api/studio'

export interface ColumnDraft {
  guess: GuessedColumn
  role: ColumnRole
  kind: FieldKind
  /** Whether the reader has chosen the role or confirmed it. */
  isChosen: boolean
}
export type MappingDraft = Partial<Record<FileRole, ColumnDraft[]>>

export const draftOf = (guess: Guess): MappingDraft =>
  Object.fromEntries(
    FILE_ROLES.flatMap((file) => {
      const found = guess.files[file]
      return found ? [[file, found.columns.map(columnDraft)]] : []
    }),
  )

const columnDraft = (guess: GuessedColumn): ColumnDraft => ({
  guess,
  role: guess.role,
  kind: guess.kind ?? 'category',
  isChosen: false,
})

/** Below this the reader should look: the server then asks, too. */
const SURE = 0.8
const CERTAIN = 0.95

export type Confidence = 'certain' | 'likely' | 'unsure'
export const confidenceOf = (value: number): Confidence =>
  value >= CERTAIN ? 'certain' : value >= SURE ? 'likely' : 'unsure'

export const needsLook = (column: ColumnDraft) => !column.isChosen && column.guess.confidence < SURE

const mappedColumn = ({ role, kind }: ColumnDraft): MappedColumn =>
  role === 'feature' ? { role, kind } : role

/** Returns the mapping as the server reads it. */
export const mappingOf = (draft: MappingDraft): Mapping =>
  Object.fromEntries(
    Object.entries(draft).map(([file, columns]) => [
      file,
      Object.fromEntries(columns.map((column) => [column.guess.name, mappedColumn(column)])),
    ]),
  )

/** Roles that a file must have. */
const NEEDED: Record<FileRole, ColumnRole[]> = {
  interactions: ['user_id', 'item_id'],
  items: ['item_id'],
  users: ['user_id'],
}
/** Roles that any number of columns may have. */
const MANY: ColumnRole[] = ['feature', 'ignored']

export type MappingMistake = { role: ColumnRole; kind: 'missing' | 'twice' }

/** Returns whether a column is as it was guessed. */
export const isAsGuessed = ({ guess, role, kind }: ColumnDraft) =>
  role === guess.role && (role !== 'feature' || kind === (guess.kind ?? 'category'))

/** Returns the names that several columns have of which one is used: the server cannot tell them apart. */
export function repeatedNames(columns: ColumnDraft[]): string[] {
  const times = new Map<string, number>()
  for (const { guess } of columns) times.set(guess.name, (times.get(guess.name) ?? 0) + 1)
  const used = columns.filter(({ guess, role }) => role !== 'ignored' && (times.get(guess.name) ?? 0) > 1)
  return [...new Set(used.map(({ guess }) => guess.name))]
}

/** The beginnings of the server's sentences about files that do not fit together. A test finds them in its source. */
export const SWAPPED = 'The files seem to be swapped'
export const APART = [SWAPPED, 'The files share no ', 'The files write some ']

export const areSwapped = (guess: Guess | null) =>
  !!guess?.problems.some((problem) => problem.startsWith(SWAPPED))

/**
 * Returns whether files do not fit together, so that a run must not begin without asking: the server says so in a sentence, or is
 * not sure although each column is.
 */
export function areApart(guess: Guess | null): boolean {
  if (!guess || guess.is_sure || guess.problems.length === 0) return false
  if (guess.problems.some((problem) => APART.some((start) => problem.startsWith(start)))) return true
  const files = Object.values(guess.files).filter((file) => file !== null)
  const isDoubtful = files.some(
    (file) =>
      file.columns.some((column) => column.confidence < SURE) ||
      file.problems.some((problem) => problem.severity === 'error'),
  )
  return !isDoubtful
}

/** Returns what a file lacks, and the roles that two of its columns have. */
export function mistakesOf(file: FileRole, columns: ColumnDraft[]): MappingMistake[] {
  const count = (role: ColumnRole) => columns.filter((column) => column.role === role).length
  return COLUMN_ROLES[file].flatMap((role): MappingMistake[] => {
    if (count(role) === 0) return NEEDED[file].includes(role) ? [{ role, kind: 'missing' }] : []
    return count(role) > 1 && !MANY.includes(role) ? [{ role, kind: 'twice' }] : []
  })
}
