/**
 * JSON between processes of the fleet: a `bigint` becomes the string `123n`. Public interfaces use decimal
 * strings: see `toPlain`.
 */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? `${item}n` : item))
}

const BIGINT = /^-?\d+n$/

/** The inverse of `encodeJson`. Throws SyntaxError for invalid JSON; `T` is not checked. */
export const decodeJson = <T>(text: string): T => withBigints(JSON.parse(text)) as T

/** Replaces the texts of bigints in place; a reviver takes more than twice as long. */
function withBigints(value: unknown): unknown {
  if (typeof value === 'string')
    return value.endsWith('n') && BIGINT.test(value) ? BigInt(value.slice(0, -1)) : value
  if (typeof value !== 'object' || value === null) return value
  const container = value as Record<string, unknown>
  for (const key of Object.keys(container)) {
    const item = container[key]
    const replaced = withBigints(item)
    if (replaced !== item) container[key] = replaced
  }
  return value
}

/** JSON in which every bigint is a decimal string, for public interfaces. */
export const plainJson = (value: unknown): string =>
  JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? item.toString() : item)) ?? 'null'

/** A plain JSON copy in which every bigint is a decimal string, for public interfaces. */
export const toPlain = (value: unknown): unknown => JSON.parse(plainJson(value))
