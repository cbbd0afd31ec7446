/** Reads `.env` files. Only the signer reads the private key in them. */
import { existsSync, readFileSync } from 'node:fs'

/** Variable that may hold the operator's private key; only the signer reads its value. */
export const KEY_VARIABLE = 'ARBITRAGE_PRIVATE_KEY'

/** The values of `names` in a `.env` file. Lines that are not `NAME=value` are ignored. */
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
