/**
 * Tokens as signed JWTs (EdDSA). The issuer's keys lie in a file that only this user can read; who checks tokens reads a second file with the
 * public keys and what was revoked.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { JWK, JWTPayload, JWTVerifyGetKey } from 'jose'
import { type Grant, parseScope } from '../../access/scopes.ts'
import type { AccessAdmin, IssuedToken } from '../../ports/access.ts'
import { KintsugiError } from '../../std/errors.ts'

export const ISSUER = 'kintsugi'
const ALGORITHM = 'EdDSA'
/** What is checked is looked at again this often. */
const LOOK_MS = 500
const MAX_VERIFIED = 1_000
/** Expired tokens are listed for a while yet. */
const KEPT_EXPIRED_SECONDS = 7 * 86_400

/** For everyone who checks tokens. */
interface PublicFile {
  /** Whom tokens are for: this fleet and no other. */
  readonly audience: string
  readonly keys: readonly JWK[]
  /** Ids, until they would have expired anyway; s since 1970. */
  readonly revoked: Readonly<Record<string, number>>
}

/** For the issuer alone. */
interface PrivateFile {
  readonly audience: string
  /** The last one signs. */
  readonly keys: readonly (JWK & { readonly kid: string })[]
  readonly tokens: readonly IssuedToken[]
}

export interface TokenFiles {
  readonly publicPath: string
  readonly privatePath: string
  /** ms since 1970. */
  now(): number
}

export class TokenVerifier {
  readonly #files: TokenFiles
  #lookedAt = Number.NEGATIVE_INFINITY
  #readAt: number | undefined
  #file: PublicFile | undefined
  #keys: JWTVerifyGetKey | undefined
  #verified = new Map<string, Grant>()

  constructor(files: TokenFiles) {
    this.#files = files
  }

  /** Undefined for a token that is not ours, not for us, expired, revoked, or signed in any way but ours. */
  async verify(token: string): Promise<Grant | undefined> {
    this.#look()
    const seconds = this.#files.now() / 1_000
    const known = this.#verified.get(token) ?? (await this.#check(token))
    if (!known || known.expiresAt <= seconds || Object.hasOwn(this.#file?.revoked ?? {}, known.id))
      return undefined
    if (this.#verified.size >= MAX_VERIFIED) this.#verified.clear()
    this.#verified.set(token, known)
    return known
  }

  async #check(token: string): Promise<Grant | undefined> {
    const file = this.#file
    if (!file) return undefined
    try {
      // Loaded with the first token: who is asked for nothing but reads does without.
      const { createLocalJWKSet, jwtVerify } = await import('jose')
      this.#keys ??= createLocalJWKSet({ keys: [...file.keys] })
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer: ISSUER,
        audience: file.audience,
        algorithms: [ALGORITHM],
        requiredClaims: ['jti', 'sub', 'exp', 'scope'],
        currentDate: new Date(this.#files.now()),
      })
      return grantOf(payload)
    } catch {
      return undefined
    }
  }

  #look(): void {
    const now = this.#files.now()
    if (Math.abs(now - this.#lookedAt) < LOOK_MS) return
    this.#lookedAt = now
    try {
      const { mtimeMs } = statSync(this.#files.publicPath)
      if (mtimeMs === this.#readAt) return
      this.#file = JSON.parse(readFileSync(this.#files.publicPath, 'utf8')) as PublicFile
      this.#keys = undefined
      this.#verified = new Map()
      this.#readAt = mtimeMs
    } catch {
      // None was issued yet; what is known holds.
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

export class TokenIssuer implements AccessAdmin {
  readonly #files: TokenFiles

  constructor(files: TokenFiles) {
    this.#files = files
  }

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
    const kept = state.tokens.filter(({ expiresAt }) => expiresAt > issuedAt - KEPT_EXPIRED_SECONDS)
    this.#write({ ...state, tokens: [...kept, grant] })
    return { token, grant }
  }

  async revoke(id: string): Promise<IssuedToken> {
    const state = await this.#state()
    const found = state.tokens.find((token) => token.id === id)
    if (!found)
      throw new KintsugiError('not-found', `no token has the id ${JSON.stringify(id.slice(0, 80))}`, {
        hint: 'list_tokens shows the ids',
      })
    const revoked: IssuedToken = {
      ...found,
      revokedAt: found.revokedAt ?? Math.floor(this.#files.now() / 1_000),
    }
    this.#write({ ...state, tokens: state.tokens.map((token) => (token.id === id ? revoked : token)) })
    return revoked
  }

  async list(): Promise<readonly IssuedToken[]> {
    return (await this.#state()).tokens
  }

  introspect(token: string): Promise<Grant | undefined> {
    return new TokenVerifier(this.#files).verify(token)
  }

  async rotate(revokeEarlier: boolean): Promise<{ key: string; revoked: number }> {
    const state = await this.#state()
    const fresh = await newKey()
    const seconds = Math.floor(this.#files.now() / 1_000)
    const standing = state.tokens.filter(
      ({ revokedAt, expiresAt }) => revokedAt === null && expiresAt > seconds,
    )
    // A key without tokens that are still valid is needed no more.
    const keys = revokeEarlier || standing.length === 0 ? [fresh] : [...state.keys.slice(-MAX_KEYS), fresh]
    const tokens = revokeEarlier
      ? state.tokens.map((token) => (token.revokedAt === null ? { ...token, revokedAt: seconds } : token))
      : state.tokens
    this.#write({ ...state, keys, tokens })
    return { key: fresh.kid, revoked: revokeEarlier ? standing.length : 0 }
  }

  async #state(): Promise<PrivateFile> {
    const { privatePath } = this.#files
    if (existsSync(privatePath)) return JSON.parse(readFileSync(privatePath, 'utf8')) as PrivateFile
    const state = { audience: `kintsugi:${randomUUID()}`, keys: [await newKey()], tokens: [] }
    this.#write(state)
    return state
  }

  /** The issuer's own first: what was revoked must not be forgotten. */
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

const MAX_KEYS = 4

function replace(path: string, content: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(content), { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
}

async function newKey(): Promise<JWK & { kid: string }> {
  const { exportJWK, generateKeyPair } = await import('jose')
  const { privateKey } = await generateKeyPair(ALGORITHM, { crv: 'Ed25519', extractable: true })
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: ALGORITHM }
}
