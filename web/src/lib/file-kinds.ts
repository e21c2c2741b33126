import known from './file-kinds.json'

const dotted = (endings: string[]) => endings.map((ending) => `.${ending}`).join(' ')

/** The extensions that the server reads, for users: `.csv .tsv …`. A test of the server compares the list with its own. */
export const KINDS = dotted(known.kinds)
export const PACKINGS = dotted(known.packings)

/** Returns whether the server reads files of this name. A zip archive may contain any of the kinds under its own name. */
export function isReadable(name: string): boolean {
  const endings = name.toLowerCase().split('.').slice(1)
  const last = endings.at(-1) ?? ''
  if (last === 'zip') return true
  const kind = known.packings.includes(last) ? endings.at(-2) : last
  return known.kinds.includes(kind ?? '')
}
