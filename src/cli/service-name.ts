/** Service names as people type them: exact, with `-` for `_`, or a part that fits one service only. */
import { KintsugiError } from '../std/errors.ts'

const MAX_SUGGESTIONS = 3
/** Share of common letter pairs from which a name is worth suggesting, 0 to 1. */
const MIN_SIMILARITY = 0.4

const normal = (name: string) => name.toLowerCase().replaceAll('-', '_')

/** The full name of a service. Throws `unknown-service` with up to three suggestions when none, or more than one, fits. */
export function serviceNamed(given: string, known: readonly string[]): string {
  if (known.includes(given)) return given
  const wanted = normal(given)
  const equal = known.filter((name) => normal(name) === wanted)
  const partial = wanted === '' ? [] : known.filter((name) => normal(name).includes(wanted))
  const found = equal.length > 0 ? equal : partial
  const [only, ...others] = found
  if (only !== undefined && others.length === 0) return only
  if (only !== undefined)
    throw new KintsugiError(
      'unknown-service',
      `the service name ${JSON.stringify(given)} is ambiguous: ${listed(found)}`,
      { hint: 'use the full name, as `npx kintsugi status` shows it' },
    )
  const similar = known
    .map((name) => ({ name, score: similarity(normal(name), wanted) }))
    .filter(({ score }) => score >= MIN_SIMILARITY)
    .sort((a, b) => b.score - a.score)
    .slice(0, MAX_SUGGESTIONS)
  throw new KintsugiError(
    'unknown-service',
    `unknown service ${JSON.stringify(given)}${similar.length === 0 ? '' : `; did you mean ${similar.map(({ name }) => name).join(' or ')}?`}`,
    { hint: '`npx kintsugi status` lists all services' },
  )
}

const listed = (names: readonly string[]) =>
  `${names.slice(0, MAX_SUGGESTIONS).join(', ')}${names.length > MAX_SUGGESTIONS ? `, and ${names.length - MAX_SUGGESTIONS} more` : ''}`

/** Sørensen-Dice coefficient of two names over their pairs of letters. */
function similarity(a: string, b: string): number {
  const pairs = (text: string) => new Set(Array.from(text.slice(1), (letter, at) => text[at] + letter))
  const [first, second] = [pairs(a), pairs(b)]
  if (first.size + second.size === 0) return 0
  return (2 * [...first].filter((pair) => second.has(pair)).length) / (first.size + second.size)
}
