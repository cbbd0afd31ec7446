/** Tokens: issued, looked into, revoked. Those who check them need none of this. */
import type { Grant, Scope } from '../access/scopes.ts'

export interface IssuedToken extends Grant {
  /** s since 1970. */
  readonly issuedAt: number
  readonly revokedAt: number | null
}

export interface AccessAdmin {
  /** The token itself is told once, and kept nowhere. `seconds` from now. Throws `bad-scope`. */
  issue(token: {
    subject: string
    scopes: readonly Scope[]
    seconds: number
    callsPerMinute?: number
  }): Promise<{ token: string; grant: IssuedToken }>
  /** Throws `not-found`. */
  revoke(id: string): Promise<IssuedToken>
  list(): Promise<readonly IssuedToken[]>
  /** What a token is: undefined for one that is not valid. */
  introspect(token: string): Promise<Grant | undefined>
  /** Signs with a new key from now on; earlier tokens stay valid until they expire, unless `revokeEarlier`. */
  rotate(revokeEarlier: boolean): Promise<{ key: string; revoked: number }>
}
