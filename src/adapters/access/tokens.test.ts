import { mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { TokenIssuer, TokenVerifier } from './tokens.ts'

test('a revocation is noticed after half a second, even at the same file time as the change before it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kintsugi-token-files-'))
  try {
    let now = Date.parse('2026-11-23T10:00:00Z')
    const files = {
      publicPath: join(folder, 'keys.json'),
      privatePath: join(folder, 'tokens.json'),
      now: () => now,
    }
    const issuer = new TokenIssuer(files)
    const verifier = new TokenVerifier(files)
    const { token, grant } = await issuer.issue({ subject: 'ada', scopes: ['read'], seconds: 60 })
    const at = new Date(now)
    utimesSync(files.publicPath, at, at)
    expect(await verifier.verify(token)).toMatchObject({ subject: 'ada' })
    await issuer.revoke(grant.id)
    utimesSync(files.publicPath, at, at)
    now += 499
    expect(await verifier.verify(token)).toBeDefined()
    now += 1
    expect(await verifier.verify(token)).toBeUndefined()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
