/**
 * Tokens as signed JWTs (EdDSA). The issuer's keys are in a file that only this user can read; verifiers read
 * a second file with the public keys and the revoked ids.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { JWK, JWTPayload, JWTVerifyGetKey } from 'jose'
import { type Grant, parseScope } from '../../access/scopes.ts'
import type { AccessAdmin, IssuedToken } from '../../ports/access.ts'
import { KintsugiError } from '../../std/errors.ts'
import { PolledFile } from './polled-file.ts'

/** The claim `iss` of the fleet's own tokens. */
export const ISSUER = 'kintsugi'
const ALGORITHM = 'EdDSA'
/** Verified tokens that are kept in memory. */
const MAX_VERIFIED = 1_000
/** Expired tokens stay listed for this long. */
const EXPIRED_RETENTION_SECONDS = 7 * 86_400
/** Signing keys that stay valid after a rotation. */
const MAX_PREVIOUS_KEYS = 4

/** The file of verifiers. */
interface PublicFile {
  /** The audience of tokens: this fleet. */
  readonly audience: string
  readonly keys: readonly JWK[]
  /** Expiry of each revoked token by id, s since 1970. */
  readonly revoked: Readonly<Record<string, number>>
}

/** The file of the issuer. */
interface PrivateFile {
  readonly audience: string
  /** The last key signs. */
  readonly keys: readonly (JWK & { readonly kid: string })[]
  readonly tokens: readonly IssuedToken[]
}

/** The two files, and the clock. */
export interface TokenFiles {
  readonly publicPath: string
  readonly privatePath: string
  /** ms since 1970. */
  now(): number
}

/** Verifies tokens of the fleet's own issuer. */
export class TokenVerifier {
  readonly #now: () => number
  readonly #file: PolledFile<PublicFile>
  #keys: JWTVerifyGetKey | undefined
  #verified = new Map<string, Grant>()

  constructor({ publicPath, now }: Pick<TokenFiles, 'publicPath' | 'now'>) {
    this.#now = now
    this.#file = new PolledFile(publicPath, now, () => {
      this.#keys = undefined
      this.#verified = new Map()
    })
  }

  /**
   * The grant of a token; undefined if it has another issuer, audience, algorithm or key, or is expired or
   * revoked.
   */
  async verify(token: string): Promise<Grant | undefined> {
    const file = this.#file.content()
    if (!file) return undefined
    const grant = this.#verified.get(token) ?? (await this.#check(token, file))
    if (!grant || grant.expiresAt <= this.#now() / 1_000 || Object.hasOwn(file.revoked, grant.id))
      return undefined
    if (this.#verified.size >= MAX_VERIFIED) this.#verified.clear()
    this.#verified.set(token, grant)
    return grant
  }

  async #check(token: string, file: PublicFile): Promise<Grant | undefined> {
    try {
      // Loaded with the first token: a service that only serves anonymous reads saves the memory.
      const { createLocalJWKSet, jwtVerify } = await import('jose')
      this.#keys ??= createLocalJWKSet({ keys: [...file.keys] })
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer: ISSUER,
        audience: file.audience,
        algorithms: [ALGORITHM],
        requiredClaims: ['jti', 'sub', 'exp', 'scope'],
        currentDate: new Date(this.#now()),
      })
      return grantOf(payload)
    } catch {
      return undefined
    }
  }
}

function grantOf({ jti, sub, exp, scope, callsPerMinute }: JWTPayload): Grant {
  const rate = typeof callsPerMinute === 'number' ? { callsPerMinute } : {}
  return {
    id: String(jti),
    subject: String(sub),
    expiresAt: Number(exp),
    scopes: String(scope).split(' '),
    ...rate,
  }
}

/** Issues, lists and revokes tokens. */
export class TokenIssuer implements AccessAdmin {
  readonly #files: TokenFiles

  constructor(files: TokenFiles) {
    this.#files = files
  }

  /** Issues a token. Throws `bad-scope`. */
  async issue({
    subject,
    scopes,
    seconds,
    callsPerMinute,
  }: {
    subject: string
    scopes: readonly string[]
    seconds: number
    callsPerMinute?: number
  }): Promise<{ token: string; grant: IssuedToken }> {
    for (const scope of scopes) parseScope(scope)
    const state = await this.#state()
    const key = state.keys.at(-1) as JWK & { kid: string }
    const issuedAt = Math.floor(this.#files.now() / 1_000)
    const grant: IssuedToken = {
      id: randomUUID(),
      subject,
      scopes,
      issuedAt,
      expiresAt: issuedAt + seconds,
      revokedAt: null,
      ...(callsPerMinute === undefined ? {} : { callsPerMinute }),
    }
    const { importJWK, SignJWT } = await import('jose')
    const token = await new SignJWT({
      scope: scopes.join(' '),
      ...(callsPerMinute === undefined ? {} : { callsPerMinute }),
    })
      .setProtectedHeader({ alg: ALGORITHM, kid: key.kid, typ: 'JWT' })
      .setIssuer(ISSUER)
      .setAudience(state.audience)
      .setSubject(subject)
      .setJti(grant.id)
      .setIssuedAt(issuedAt)
      .setExpirationTime(grant.expiresAt)
      .sign(await importJWK(key, ALGORITHM))
    const kept = state.tokens.filter(({ expiresAt }) => expiresAt > issuedAt - EXPIRED_RETENTION_SECONDS)
    this.#write({ ...state, tokens: [...kept, grant] })
    return { token, grant }
  }

  /** Revokes a token; verifiers notice within half a second. Throws `not-found`. */
  async revoke(id: string): Promise<IssuedToken> {
    const state = await this.#state()
    const found = state.tokens.find((token) => token.id === id)
    if (!found)
      throw new KintsugiError('not-found', `unknown token ${JSON.stringify(id.slice(0, 80))}`, {
        hint: 'list_tokens shows the ids',
      })
    const revoked: IssuedToken = {
      ...found,
      revokedAt: found.revokedAt ?? Math.floor(this.#files.now() / 1_000),
    }
    this.#write({ ...state, tokens: state.tokens.map((token) => (token.id === id ? revoked : token)) })
    return revoked
  }

  /** Valid, revoked and recently expired tokens. */
  async list(): Promise<readonly IssuedToken[]> {
    return (await this.#state()).tokens
  }

  /** The grant of a token; undefined if it is invalid. */
  introspect(token: string): Promise<Grant | undefined> {
    return new TokenVerifier(this.#files).verify(token)
  }

  /** Replaces the signing key; with `revokeEarlier`, all earlier tokens become invalid. */
  async rotate(revokeEarlier: boolean): Promise<{ key: string; revoked: number }> {
    const state = await this.#state()
    const fresh = await newKey()
    const seconds = Math.floor(this.#files.now() / 1_000)
    const validTokens = state.tokens.filter(
      ({ revokedAt, expiresAt }) => revokedAt === null && expiresAt > seconds,
    )
    // A key without valid tokens is no longer needed.
    const keys =
      revokeEarlier || validTokens.length === 0 ? [fresh] : [...state.keys.slice(-MAX_PREVIOUS_KEYS), fresh]
    const tokens = revokeEarlier
      ? state.tokens.map((token) => (token.revokedAt === null ? { ...token, revokedAt: seconds } : token))
      : state.tokens
    this.#write({ ...state, keys, tokens })
    return { key: fresh.kid, revoked: revokeEarlier ? validTokens.length : 0 }
  }

  async #state(): Promise<PrivateFile> {
    const { privatePath } = this.#files
    if (existsSync(privatePath)) return JSON.parse(readFileSync(privatePath, 'utf8')) as PrivateFile
    const state = { audience: `kintsugi:${randomUUID()}`, keys: [await newKey()], tokens: [] }
    this.#write(state)
    return state
  }

  /** Writes the issuer's file first: a revocation must not be lost. */
  #write(state: PrivateFile): void {
    const { privatePath, publicPath } = this.#files
    mkdirSync(dirname(privatePath), { recursive: true, mode: 0o700 })
    replace(privatePath, state)
    const revoked = Object.fromEntries(
      state.tokens.flatMap(({ id, revokedAt, expiresAt }) => (revokedAt === null ? [] : [[id, expiresAt]])),
    )
    replace(publicPath, {
      audience: state.audience,
      keys: state.keys.map(({ d: _, ...key }) => key),
      revoked,
    } satisfies PublicFile)
  }
}

function replace(path: string, content: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(content), { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
}

async function newKey(): Promise<JWK & { kid: string }> {
  const { exportJWK, generateKeyPair } = await import('jose')
  const { privateKey } = await generateKeyPair(ALGORITHM, { crv: 'Ed25519', extractable: true })
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: ALGORITHM }
}
