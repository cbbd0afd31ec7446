/** Normalisation of the words of queries and descriptions. */

const STOP_WORDS = new Set(
  'a an and are as at be been by can could did do does for from get give had has have how i if in is it its list make me my of on or our please show tell that the their them there they this to up us was we were what when where which who why will with would you your'.split(
    ' ',
  ),
)

/** The words of a text in lower case; names in snake_case, kebab-case and camelCase are split. */
export function wordsOf(text: string): string[] {
  return text
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
}

/**
 * The stem of a word; undefined for a stop word. Lighter than Porter's algorithm: it removes only inflections
 * of verbs and nouns.
 */
export function stem(word: string): string | undefined {
  if (STOP_WORDS.has(word)) return undefined
  if (word.length <= 3) return word
  for (const [ending, put] of ENDINGS) {
    if (!word.endsWith(ending)) continue
    const root = word.slice(0, -ending.length) + put
    if (root.length >= 3) return root
  }
  return word
}

/** Longest first. */
const ENDINGS: readonly (readonly [string, string])[] = [
  ['ations', 'at'],
  ['ation', 'at'],
  ['ities', ''],
  ['ility', ''],
  ['ments', ''],
  ['ment', ''],
  ['ings', ''],
  ['ies', 'y'],
  ['sses', 'ss'],
  ['ches', 'ch'],
  ['shes', 'sh'],
  ['xes', 'x'],
  ['ing', ''],
  ['ions', ''],
  ['ion', ''],
  ['ers', ''],
  ['ed', ''],
  ['er', ''],
  ['ly', ''],
  ['es', ''],
  ['ss', 'ss'],
  ['us', 'us'],
  ['is', 'is'],
  ['s', ''],
  ['e', ''],
]
