/** Administration of access tokens. Checking a token needs only its signing keys. */
import type { Grant, Scope } from '../access/scopes.ts'

/** An issued token without its secret. Times in seconds since 1970. */
export interface IssuedToken extends Grant {
  readonly issuedAt: number
  /** Null for a token that was not revoked. */
  readonly revokedAt: number | null
}

/** Issues, lists and revokes tokens. */
export interface AccessAdmin {
  /**
   * Issues a token that expires in `seconds`. The token itself is returned once and stored nowhere. Throws
   * `bad-scope`.
   */
  issue(token: {
    subject: string
    scopes: readonly Scope[]
    seconds: number
    callsPerMinute?: number
  }): Promise<{ token: string; grant: IssuedToken }>
  /** Revokes a token at once. Throws `not-found`. */
  revoke(id: string): Promise<IssuedToken>
  /** All tokens, expired and revoked ones included. */
  list(): Promise<readonly IssuedToken[]>
  /** The grant of a token; undefined for an invalid, expired or revoked one. */
  introspect(token: string): Promise<Grant | undefined>
  /**
   * Signs with a new key from now on. Earlier tokens stay valid until they expire, unless `revokeEarlier`.
   * Returns the key's id and the number of revoked tokens.
   */
  rotate(revokeEarlier: boolean): Promise<{ key: string; revoked: number }>
}
