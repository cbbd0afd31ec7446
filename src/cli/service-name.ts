/** Service names as people type them: exact, with `-` for `_`, or a part that fits one service only. */
import { KintsugiError } from '../std/errors.ts'
import { nearest } from '../std/nearest.ts'

const MAX_SUGGESTIONS = 3

const normal = (name: string) => name.toLowerCase().replaceAll('-', '_')

/**
 * The full name of a service. Throws `unknown-service` with up to three suggestions when none, or more than
 * one, fits.
 */
export function serviceNamed(input: string, known: readonly string[]): string {
  if (known.includes(input)) return input
  const wanted = normal(input)
  const equal = known.filter((name) => normal(name) === wanted)
  const partial = wanted === '' ? [] : known.filter((name) => normal(name).includes(wanted))
  const found = equal.length > 0 ? equal : partial
  const [only, ...others] = found
  if (only !== undefined && others.length === 0) return only
  if (only !== undefined)
    throw new KintsugiError(
      'unknown-service',
      `the service name ${JSON.stringify(input)} is ambiguous: ${listed(found)}`,
      { hint: 'use the full name, as `npx kintsugi status` shows it' },
    )
  const similar = nearest(input, known)
  throw new KintsugiError(
    'unknown-service',
    `unknown service ${JSON.stringify(input)}${similar.length === 0 ? '' : `; did you mean ${similar.join(' or ')}?`}`,
    { hint: '`npx kintsugi status` lists all services' },
  )
}

const listed = (names: readonly string[]) =>
  `${names.slice(0, MAX_SUGGESTIONS).join(', ')}${names.length > MAX_SUGGESTIONS ? `, and ${names.length - MAX_SUGGESTIONS} more` : ''}`
