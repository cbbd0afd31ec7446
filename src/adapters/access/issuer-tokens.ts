/**
 * Tokens of the OAuth issuer that the operator configured: JWTs for this resource, verified with the issuer's
 * published keys.
 */
import type { JWTPayload, JWTVerifyGetKey } from 'jose'
import type { Grant } from '../../access/scopes.ts'
import { parseScope, RESERVED_NAMES } from '../../access/scopes.ts'

/** Asymmetric algorithms only: a public key must never serve as a shared secret. */
const ALGORITHMS = ['EdDSA', 'ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const METADATA = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']
const FETCH_TIMEOUT_MS = 5_000
/** Minimum time between a failure of the issuer and the next request to it. */
const RETRY_DELAY_MS = 5_000

/** The issuer, and the audience that its tokens must have. */
export interface IssuerOptions {
  readonly issuer: string
  /** The required audience: this gateway's address. */
  readonly audience: string
  /** Address of the keys; undefined to read it from the issuer's metadata. */
  readonly jwksUrl: string | undefined
  now(): number
  onNote(text: string): void
}

/** Verifies tokens of the issuer. */
export class IssuerVerifier {
  readonly #options: IssuerOptions
  #keys: Promise<JWTVerifyGetKey> | undefined
  #failedAt = Number.NEGATIVE_INFINITY

  constructor(options: IssuerOptions) {
    this.#options = options
  }

  /** The grant of a token; undefined if it has another issuer, audience, algorithm or key, or is expired. */
  async verify(token: string): Promise<Grant | undefined> {
    const { issuer, audience, now, onNote } = this.#options
    if (token.split('.').length !== 3 || now() - this.#failedAt < RETRY_DELAY_MS) return undefined
    const { decodeJwt, errors, jwtVerify } = await import('jose')
    try {
      // Tokens of other issuers cause no request.
      if (decodeJwt(token).iss !== issuer) return undefined
    } catch {
      return undefined
    }
    try {
      this.#keys ??= this.#find()
      const { payload } = await jwtVerify(token, await this.#keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        requiredClaims: ['sub', 'exp'],
        currentDate: new Date(now()),
      })
      return grantOf(payload)
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) {
        // While the issuer does not answer, its tokens are invalid.
        this.#keys = undefined
        this.#failedAt = now()
        onNote(
          `the issuer ${issuer} does not answer: ${error instanceof Error ? error.message : String(error)}`,
        )
      }
      return undefined
    }
  }

  async #find(): Promise<JWTVerifyGetKey> {
    const { createRemoteJWKSet } = await import('jose')
    return createRemoteJWKSet(new URL(this.#options.jwksUrl ?? (await this.#discover())), {
      timeoutDuration: FETCH_TIMEOUT_MS,
    })
  }

  async #discover(): Promise<string> {
    const { issuer } = this.#options
    const { origin, pathname } = new URL(issuer)
    const path = pathname === '/' ? '' : pathname
    for (const document of METADATA)
      for (const url of new Set([`${origin}${document}${path}`, `${origin}${path}${document}`])) {
        const response = await fetch(url, {
          signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
          redirect: 'error',
        })
        if (!response.ok) continue
        const { issuer: named, jwks_uri: keys } = (await response.json()) as {
          issuer?: unknown
          jwks_uri?: unknown
        }
        // Metadata of another issuer is not accepted (RFC 8414).
        if (named === issuer && typeof keys === 'string') return keys
      }
    throw new Error('no metadata of this issuer names a jwks_uri')
  }
}

/** The grant of a verified token; unknown scopes are dropped. */
function grantOf({ sub, exp, scope, scp, jti }: JWTPayload): Grant {
  const claimed = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scp) ? scp.map(String) : []
  // A subject named `operator` at the issuer is not this fleet's operator.
  const named = String(sub).slice(0, 100)
  const subject = RESERVED_NAMES.includes(named.toLowerCase()) ? `${named}, of the issuer` : named
  return {
    id: typeof jti === 'string' ? jti : named,
    subject,
    expiresAt: Number(exp),
    scopes: claimed.filter(isOurs),
  }
}

function isOurs(scope: string): boolean {
  try {
    parseScope(scope)
    return true
  } catch {
    return false
  }
}
