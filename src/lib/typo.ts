// Which known name was meant by one that is not known.

/** One mistake for every so many characters: HOSTS beside HOST is more likely a name of its own. */
const CHARACTERS_A_MISTAKE = 7
const MISTAKES_MAX = 2

/**
 * The known name that `name` looks like: the same in capitals, or a few mistakes away. `leastMistakes`
 * are allowed in names however short. Names are words joined by `_`; a unit is what is forgotten most, so
 * one that differs from a name of three words or more in nothing but the last counts, too.
 */
export function meantBy(
  name: string,
  known: readonly string[],
  leastMistakes: 0 | 1,
): string | undefined {
  const written = name.toUpperCase()
  const near = known
    .map((each) => ({ each, mistakes: mistakesBetween(written, each, leastMistakes) }))
    .filter(({ mistakes }) => mistakes !== undefined)
    .toSorted((a, b) => Number(a.mistakes) - Number(b.mistakes))
  return near[0]?.each ?? known.find((each) => isButForLastWord(written, each, known))
}

function mistakesBetween(written: string, known: string, least: number): number | undefined {
  const allowed = Math.max(least, Math.min(MISTAKES_MAX, known.length / CHARACTERS_A_MISTAKE))
  // Before anything is computed: an environment may hold much.
  if (Math.abs(written.length - known.length) > allowed) return undefined
  const mistakes = editDistance(written, known)
  return mistakes <= allowed ? mistakes : undefined
}

function isButForLastWord(written: string, each: string, known: readonly string[]): boolean {
  const words = each.split('_')
  const stem = words.slice(0, -1).join('_')
  // Where the stem is a name itself, others may well begin with it: DATABASE_URL and DATABASE_URL_TEST.
  if (words.length < 3 || known.includes(stem)) return false
  return written === stem || written.startsWith(`${stem}_`)
}

/**
 * How many characters must be inserted, removed, replaced or swapped with their neighbour to make one
 * of the other: the "optimal string alignment" of Damerau and Levenshtein.
 */
function editDistance(a: string, b: string): number {
  // rows[i][j]: the distance of the first i characters of a and the first j of b.
  const rows: number[][] = []
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Infinity
  for (let i = 0; i <= a.length; i += 1) {
    const row: number[] = []
    rows.push(row)
    for (let j = 0; j <= b.length; j += 1) {
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(
        i === 0 || j === 0
          ? i + j
          : Math.min(
              at(i - 1, j) + 1,
              at(i, j - 1) + 1,
              at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
              isSwap ? at(i - 2, j - 2) + 1 : Infinity,
            ),
      )
    }
  }
  return at(a.length, b.length)
}
