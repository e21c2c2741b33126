import known from './file-kinds.json'

const dotted = (endings: string[]) => endings.map((ending) => `.${ending}`).join(' ')

/** What the server reads, for people: `.csv .tsv …`. A test of the server compares the list with what it reads. */
export const KINDS = dotted(known.kinds)
export const PACKINGS = dotted(known.packings)

/** Whether the server reads files of this name. A zip archive may hold any of the kinds under its own name. */
export function isReadable(name: string): boolean {
  const endings = name.toLowerCase().split('.').slice(1)
  const last = endings.at(-1) ?? ''
  if (last === 'zip') return true
  const kind = known.packings.includes(last) ? endings.at(-2) : last
  return known.kinds.includes(kind ?? '')
}
