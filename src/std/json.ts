/** JSON between our own processes, where amounts are `bigint`: `123n` in a string is a bigint. Outside, amounts are decimal strings. */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? `${item}n` : item))
}

const BIGINT = /^-?\d+n$/

/** The inverse of `encodeJson`. Throws SyntaxError for what is not JSON. */
export function decodeJson<T>(text: string): T {
  return JSON.parse(text, (_key, item) =>
    typeof item === 'string' && BIGINT.test(item) ? BigInt(item.slice(0, -1)) : item,
  ) as T
}

/** A copy in which every bigint is a decimal string, for people and other programs. */
export function toPlain<T>(value: T): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? item.toString() : item)) ?? 'null',
  )
}
