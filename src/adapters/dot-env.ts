/** The file `.env`, and the one name in it that only the signer may read. */
import { existsSync, readFileSync } from 'node:fs'

/** The name under which a key may come; its value is never read here. */
export const KEY_VARIABLE = 'ARBITRAGE_PRIVATE_KEY'

/** `.env` as name and value, for the names asked for. Lines that are not `NAME=value` are passed over. */
export function readDotEnv(path: string, names: readonly string[]): Record<string, string> {
  if (!existsSync(path)) return {}
  const wanted = new Set(names)
  const values: Record<string, string> = {}
  for (const line of readFileSync(path, 'utf8').split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line)
    if (match?.[1] && wanted.has(match[1]))
      values[match[1]] = (match[2] as string).replace(/^(['"])(.*)\1$/, '$2')
  }
  return values
}
