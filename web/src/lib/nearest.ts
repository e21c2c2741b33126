/** One wrong letter in this many counts as a typo. */
const LETTERS_PER_SLIP = 3

/** Returns the known word that an unknown one probably means. */
export function nearest(word: string, known: string[]): string | undefined {
  const most = Math.max(1, Math.floor(word.length / LETTERS_PER_SLIP))
  const measured = known.map((name) => ({ name, slips: distance(word.toLowerCase(), name.toLowerCase()) }))
  return measured.filter(({ slips }) => slips <= most).sort((a, b) => a.slips - b.slips)[0]?.name
}

/** Returns the fewest letters to insert, delete, replace or swap with their neighbours. */
function distance(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (last[j - 1] ?? 0) + Number(a[i - 1] !== b[j - 1])
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? 0) + 1 : Infinity
      row.push(Math.min(replaced, swapped, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    before = last
    last = row
  }
  return last[b.length] ?? 0
}
