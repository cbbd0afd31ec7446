/** Checks of query parameters, the same for every HTTP interface. */
import { KintsugiError } from './errors.ts'
import { nearest } from './nearest.ts'

const MAX_SHOWN_CHARACTERS = 40

/** Inclusive bounds of a whole number, and its value if it is not given. */
export interface WholeRange {
  readonly min: number
  readonly max: number
  readonly defaultValue: number
}

/** A value as error messages show it: JSON, shortened. */
export const shown = (value: unknown): string => {
  if (value === undefined) return 'nothing'
  return JSON.stringify(typeof value === 'string' ? value.slice(0, MAX_SHOWN_CHARACTERS) : value)
}

/** A whole number given as digits. Throws `bad-argument` with the range. */
export function wholeNumber(name: string, value: unknown, { min, max, defaultValue }: WholeRange): number {
  if (value === undefined) return defaultValue
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= min && number <= max))
    throw new KintsugiError(
      'bad-argument',
      `${name}: expected a whole number from ${min} to ${max} (got ${shown(value)})`,
    )
  return number
}

/** Throws `bad-argument` for the first name that is not known, with the most similar ones. */
export function onlyKnown(names: Iterable<string>, known: readonly string[]): void {
  const unknown = [...names].find((name) => !known.includes(name))
  if (unknown === undefined) return
  const similar = nearest(unknown, known)
  const parameters = known.length === 0 ? 'this path has no parameters' : `parameters: ${known.join(', ')}`
  throw new KintsugiError('bad-argument', `${unknown.slice(0, MAX_SHOWN_CHARACTERS)}: unknown parameter`, {
    hint: similar.length > 0 ? `did you mean ${similar.join(' or ')}?` : parameters,
  })
}
