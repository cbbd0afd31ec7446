/** Tokens of an OAuth issuer that the operator has configured: JWTs for this resource, checked with the issuer's published keys. */
import type { JWTPayload, JWTVerifyGetKey } from 'jose'
import type { Grant } from '../../access/scopes.ts'
import { parseScope, RESERVED_NAMES } from '../../access/scopes.ts'

/** What a resource server trusts: asymmetric only, so that a public key is never taken for a secret. */
const ALGORITHMS = ['EdDSA', 'ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const METADATA = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']
const FETCH_MS = 5_000
/** After a failure the issuer is left alone for this long. */
const AGAIN_MS = 5_000

export interface IssuerOptions {
  readonly issuer: string
  /** Whom tokens must be for: this gateway's address. */
  readonly audience: string
  /** Found by the issuer's metadata where it is absent. */
  readonly jwksUrl: string | undefined
  now(): number
  onNote(text: string): void
}

export class IssuerVerifier {
  readonly #options: IssuerOptions
  #keys: Promise<JWTVerifyGetKey> | undefined
  #failedAt = Number.NEGATIVE_INFINITY

  constructor(options: IssuerOptions) {
    this.#options = options
  }

  /** Undefined for a token that is not the issuer's, not for us, expired, or signed in another way than its keys say. */
  async verify(token: string): Promise<Grant | undefined> {
    const { issuer, audience, now, onNote } = this.#options
    if (token.split('.').length !== 3 || now() - this.#failedAt < AGAIN_MS) return undefined
    const { decodeJwt, errors, jwtVerify } = await import('jose')
    try {
      // Whose it says to be is looked at first: nobody is asked about tokens of others.
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
        // The issuer does not answer: its tokens are not valid until it does.
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
      timeoutDuration: FETCH_MS,
    })
  }

  async #discover(): Promise<string> {
    const { issuer } = this.#options
    const { origin, pathname } = new URL(issuer)
    const path = pathname === '/' ? '' : pathname
    for (const document of METADATA)
      for (const url of new Set([`${origin}${document}${path}`, `${origin}${path}${document}`])) {
        const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS), redirect: 'error' })
        if (!response.ok) continue
        const { issuer: named, jwks_uri: keys } = (await response.json()) as {
          issuer?: unknown
          jwks_uri?: unknown
        }
        // A document of another issuer is not believed (RFC 8414).
        if (named === issuer && typeof keys === 'string') return keys
      }
    throw new Error('it publishes no metadata that names its keys')
  }
}

/** Scopes that are not ours are left aside: they allow nothing here. */
function grantOf({ sub, exp, scope, scp, jti }: JWTPayload): Grant {
  const said = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scp) ? scp.map(String) : []
  // What an issuer calls somebody does not make them one of ours.
  const named = String(sub).slice(0, 100)
  const subject = RESERVED_NAMES.includes(named.toLowerCase()) ? `${named}, of the issuer` : named
  return {
    id: typeof jti === 'string' ? jti : named,
    subject,
    expiresAt: Number(exp),
    scopes: said.filter(isOurs),
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
