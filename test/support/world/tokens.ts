/** The real issuer of tokens, on files of its own. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TokenIssuer } from '../../../src/adapters/access/tokens.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-world-'))
let count = 0

/** An issuer whose clock is the world's. */
export function tokenIssuer(now: () => number): TokenIssuer {
  const own = join(folder, String(count++))
  return new TokenIssuer({
    publicPath: join(own, 'tokens.json'),
    privatePath: join(own, 'private', 'tokens.json'),
    now,
  })
}
