/** Reads `.env` files. Only the signer reads the private key in them. */
import { existsSync, readFileSync } from 'node:fs'

/** Variable that may hold the operator's private key; only the signer reads its value. */
export const KEY_VARIABLE = 'ARBITRAGE_PRIVATE_KEY'

const LINE = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/

/** The `NAME=value` lines of a `.env` file. Other lines are ignored. */
const linesOf = (path: string): { name: string; value: string }[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split(/\r?\n/)
        .flatMap((line) => {
          const match = LINE.exec(line)
          return match ? [{ name: match[1] as string, value: match[2] as string }] : []
        })
    : []

/** The values of `names` in a `.env` file. */
export function readDotEnv(path: string, names: readonly string[]): Record<string, string> {
  const wanted = new Set(names)
  return Object.fromEntries(
    linesOf(path)
      .filter(({ name }) => wanted.has(name))
      .map(({ name, value }) => [name, value.replace(/^(['"])(.*)\1$/, '$2')]),
  )
}

/** The names that a `.env` file sets. */
export const dotEnvNames = (path: string): string[] => linesOf(path).map(({ name }) => name)
