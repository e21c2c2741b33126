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

/** Returns the files with dropped ones among them: by name, or else where there is room, or else in place of the first. */
export function withDropped(files: StudioFiles, dropped: File[]): StudioFiles {
  const next = { ...files }
  const placed = new Set<FileRole>()
  const rest: File[] = []
  for (const file of dropped) {
    const role = roleByName(file.name)
    if (role && !placed.has(role)) {
      next[role] = file
      placed.add(role)
    } else rest.push(file)
  }
  for (const file of rest) {
    const role =
      FILE_ROLES.find((name) => !next[name]) ?? FILE_ROLES.find((name) => !placed.has(name)) ?? 'interactions'
    next[role] = file
    placed.add(role)
  }
  return next
}

/** Returns the files with one moved to another role; what was there takes its place. */
export function withMoved(files: StudioFiles, from: FileRole, to: FileRole): StudioFiles {
  const next = { ...files, [to]: files[from], [from]: files[to] }
  return Object.fromEntries(Object.entries(next).filter(([, file]) => file)) as StudioFiles
}

/** Lines can be cut anywhere; nothing else can be read from its beginning. */
const hasLines = (name: string) => /\.(csv|tsv|jsonl|ndjson)$/i.test(name)

/** Returns what to send of the files, or nothing if one of them is too large to be sent whole. */
export function headsOf(files: StudioFiles): { files: StudioFiles; isHead: boolean } | null {
  const heads: StudioFiles = {}
  let isHead = false
  for (const role of FILE_ROLES) {
    const file = files[role]
    if (!file) continue
    if (!hasLines(file.name)) {
      if (file.size > WHOLE_BYTES) return null
      heads[role] = file
    } else {
      isHead ||= file.size > HEAD_BYTES
      heads[role] =
        file.size > HEAD_BYTES ? new File([file.slice(0, HEAD_BYTES)], file.name, { type: file.type }) : file
    }
  }
  return { files: heads, isHead }
}

/** Returns a name for the project: that of its main file, and when. */
export function projectName(files: StudioFiles, moment: string): string {
  const file = files.interactions ?? files.items
  const stem = file?.name.split('.')[0]?.replace(/[_-]+/g, ' ').trim() ?? ''
  return stem === '' ? '' : `${stem.charAt(0).toUpperCase()}${stem.slice(1)}, ${moment}`
}
