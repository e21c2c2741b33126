/** Which file is which, and how much of it is sent to have its columns guessed. */
import { FILE_ROLES, type FileRole } from '@/api/studio'

export type StudioFiles = Partial<Record<FileRole, File>>

/** What a guess reads of a file of lines. */
const HEAD_BYTES = 1024 * 1024
/** Files that cannot be cut are sent whole, up to this size. */
const WHOLE_BYTES = 8 * 1024 * 1024

const NAMES: [FileRole, RegExp][] = [
  [
    'interactions',
    /interact|event|rating|(?<![a-z])logs?(?![a-z])|order|purchase|transaction|click|view|visit|histor|行動|履歴|購入|注文|閲覧|評価/i,
  ],
  ['users', /user|customer|member|people|person|account|profile|ユーザ|会員|顧客|利用者/i],
  [
    'items',
    /item|product|catalog|movie|film|book|article|content|goods|sku|meta|商品|製品|アイテム|カタログ|作品|記事/i,
  ],
]

/** Returns what the name of a file says it is. Interactions come first: `user_events.csv` are events. */
export const roleByName = (name: string): FileRole | undefined =>
  NAMES.find(([, pattern]) => pattern.test(name))?.[0]

/** A file that a drop has removed or not taken. */
export type Displaced =
  | { kind: 'replaced'; name: string; by: string }
  /** There is a newer file for each role. */
  | { kind: 'unused'; name: string }

/**
 * Returns the files with dropped ones among them, by name, or else where there is room, or else in place of one that was there
 * before; and what became of files for which there is no place.
 */
export function withDropped(
  files: StudioFiles,
  dropped: File[],
): { files: StudioFiles; displaced: Displaced[] } {
  const next = { ...files }
  const placed = new Set<FileRole>()
  const rest: File[] = []
  const displaced: Displaced[] = []
  function place(role: FileRole, file: File) {
    const before = next[role]
    if (before) displaced.push({ kind: 'replaced', name: before.name, by: file.name })
    next[role] = file
    placed.add(role)
  }
  for (const file of dropped) {
    const role = roleByName(file.name)
    if (role && !placed.has(role)) place(role, file)
    else rest.push(file)
  }
  for (const file of rest) {
    const role = FILE_ROLES.find((name) => !next[name]) ?? FILE_ROLES.find((name) => !placed.has(name))
    if (role) place(role, file)
    else displaced.push({ kind: 'unused', name: file.name })
  }
  return { files: next, displaced }
}

/** Returns the files with one moved to another role; what was there takes its place. */
export function withMoved(files: StudioFiles, from: FileRole, to: FileRole): StudioFiles {
  const next = { ...files, [to]: files[from], [from]: files[to] }
  return Object.fromEntries(Object.entries(next).filter(([, file]) => file)) as StudioFiles
}

/** Only files of lines can be read from their beginning. */
const hasLines = (name: string) => /\.(csv|tsv|jsonl|ndjson)$/i.test(name)
/** Line breaks within quotation marks belong to a value; in JSON they are written in another way. */
const hasQuotes = (name: string) => /\.(csv|tsv)$/i.test(name)

export interface Heads {
  files: StudioFiles
  /** Whether the server is told that files go on: it then ignores the last row of each, which may be cut off. */
  isHead: boolean
  /** Whole files whose last row is ignored, too. */
  shortened: FileRole[]
}

/**
 * Returns what to send of the files, or nothing if one of them is too large to be sent whole.
 *
 * The server compares the ids of interactions with those of the other files, and has to know whether these go on. Interactions
 * are therefore cut behind a whole row, which needs no telling. Where another file is cut, the last row of whole files is sent
 * twice, so that the one which the server ignores is no loss.
 */
export async function headsOf(files: StudioFiles): Promise<Heads | null> {
  const given = FILE_ROLES.flatMap((role) => {
    const file = files[role]
    // The server has nothing to say about an empty file.
    return file && file.size > 0 ? [{ role, file }] : []
  })
  if (given.some(({ file }) => !hasLines(file.name) && file.size > WHOLE_BYTES)) return null
  const cut: FileRole[] = given
    .filter(({ file }) => hasLines(file.name) && file.size > HEAD_BYTES)
    .map(({ role }) => role)
  const isCut = (role: FileRole) => cut.includes(role)
  let isHead = cut.some((role) => role !== 'interactions')
  const rows = new Map<FileRole, File>()
  if (isCut('interactions') && files.interactions) {
    const whole = isHead ? null : await cutBehindRow(files.interactions)
    if (whole) rows.set('interactions', whole)
    else isHead = true
  }
  const heads: StudioFiles = {}
  for (const { role, file } of given) {
    const known = rows.get(role)
    if (known) heads[role] = known
    else if (isCut(role)) heads[role] = named(file, file.slice(0, HEAD_BYTES))
    else heads[role] = isHead && hasLines(file.name) ? await withLastRowTwice(file) : file
  }
  const shortened = isHead ? given.filter(({ file }) => !hasLines(file.name)).map(({ role }) => role) : []
  return { files: heads, isHead, shortened }
}

const named = (file: File, ...parts: Blob[]) => new File(parts, file.name, { type: file.type })

const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const QUOTE = 34

/** Returns the places behind the rows of a text that ends; nothing where it has bytes that UTF-8 has not, such as those of UTF-16. */
function endsOfRows(text: Uint8Array, quotes: boolean): number[] | null {
  const ends: number[] = []
  let isOpen = false
  for (const [at, byte] of text.entries()) {
    if (byte === 0) return null
    if (byte === QUOTE && quotes) isOpen = !isOpen
    else if (byte === LINE_FEED && !isOpen) ends.push(at + 1)
  }
  return ends
}

/** Returns the start of a file up to the end of a row, if one can be found. */
async function cutBehindRow(file: File): Promise<File | null> {
  const text = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer())
  const end = endsOfRows(text, hasQuotes(file.name))?.at(-1)
  return end === undefined ? null : named(file, file.slice(0, end))
}

async function withLastRowTwice(file: File): Promise<File> {
  const text = new Uint8Array(await file.arrayBuffer())
  const ends = endsOfRows(text, hasQuotes(file.name))
  if (ends === null) return file
  const isBlank = (from: number, to: number) =>
    text.subarray(from, to).every((byte) => byte === LINE_FEED || byte === CARRIAGE_RETURN)
  const starts = [0, ...ends].filter((from, at, all) => !isBlank(from, all[at + 1] ?? text.length))
  const last = starts.at(-1)
  if (last === undefined) return file
  const gap = text.at(-1) === LINE_FEED ? [] : [new Blob(['\n'])]
  return named(file, file, ...gap, file.slice(last))
}

const LONGEST_STEM = 200

/** Returns a name for the project that none has yet: that of its main file, and when. */
export function projectName(files: StudioFiles, moment: string, taken: readonly string[] = []): string {
  const file = files.interactions ?? files.items
  const stem = file?.name.split('.')[0]?.replace(/[_-]+/g, ' ').trim().slice(0, LONGEST_STEM) ?? ''
  if (stem === '') return ''
  const name = `${stem.charAt(0).toUpperCase()}${stem.slice(1)}, ${moment}`
  const used = new Set(taken)
  let number = 2
  while (used.has(`${name} (${number})`)) number += 1
  return used.has(name) ? `${name} (${number})` : name
}

const NUMBER = /^[+-]?\d+([.,]\d+)?(e[+-]?\d+)?$/i
const DATE = /^\d{4}([-/.]\d{1,2}){2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})?)?$/i
/** What two ids of one kind have in common: `u17` and `u4` are both `u#`. */
const shape = (value: string) => value.replace(/\d+/g, '#')

/** Returns whether the names of columns look like a row: numbers, dates or ids as below them. The first row was taken for names. */
export function looksLikeData(columns: readonly { name: string; samples: readonly string[] }[]): boolean {
  const isValue = ({ name, samples }: { name: string; samples: readonly string[] }) => {
    const text = name.trim()
    if (NUMBER.test(text) || DATE.test(text)) return true
    const isLike = (sample: string) => shape(sample.trim()) === shape(text)
    return (
      text !== '' &&
      (samples.includes(name) || (/\d/.test(text) && samples.length > 0 && samples.every(isLike)))
    )
  }
  return columns.length > 0 && columns.every(isValue)
}
