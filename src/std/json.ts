/**
 * JSON between processes of the fleet: a `bigint` becomes the string `123n`. Public interfaces use decimal
 * strings: see `toPlain`.
 */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? `${item}n` : item))
}

const BIGINT = /^-?\d+n$/

/** The inverse of `encodeJson`. Throws SyntaxError for invalid JSON; `T` is not checked. */
export function decodeJson<T>(text: string): T {
  return JSON.parse(text, (_key, item) =>
    typeof item === 'string' && BIGINT.test(item) ? BigInt(item.slice(0, -1)) : item,
  ) as T
}

/** A plain JSON copy in which every bigint is a decimal string, for public interfaces. */
export function toPlain<T>(value: T): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? item.toString() : item)) ?? 'null',
  )
}
