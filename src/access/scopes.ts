/**
 * Scopes of tokens, as data: an effect, optionally limited to a server or a tool. A wider effect covers the
 * narrower ones: `spend` covers `write`, `write` covers `read`.
 */
import { KintsugiError } from '../std/errors.ts'

const EFFECTS = ['read', 'write', 'spend'] as const
/** The effect of a call. */
export type ScopeEffect = (typeof EFFECTS)[number]

/** For example `read`, `write:mcp_server_manager`, `spend:transaction_executor__execute_opportunity`. */
export type Scope = string

/** Named sets of scopes. */
export const ROLES: Readonly<Record<string, { readonly title: string; readonly scopes: readonly Scope[] }>> =
  {
    reader: { title: 'Reads everything, changes nothing', scopes: ['read'] },
    operator: { title: 'Operates the fleet: all reads and writes, no trades', scopes: ['write'] },
    trader: {
      title: 'Reads everything and sends trades, within the policies',
      scopes: [
        'read',
        'spend:transaction_executor',
        'spend:working_flash_loan_mcp',
        'spend:aave_flash_loan_mcp_server',
      ],
    },
    admin: { title: 'Everything, including tokens for others', scopes: ['spend'] },
  }

/** Names of callers without a token of the issuer; no token is issued for them. */
export const RESERVED_NAMES: readonly string[] = ['operator', 'anonymous']

/** The rights of a valid token. */
export interface Grant {
  /** The token's id, by which it is revoked. */
  readonly id: string
  /** The holder. */
  readonly subject: string
  readonly scopes: readonly Scope[]
  /** s since 1970. */
  readonly expiresAt: number
  /** Absent if the rate is not limited. */
  readonly callsPerMinute?: number
}

/** The right that a call needs. */
export interface Wanted {
  readonly effect: ScopeEffect
  readonly service: string
  /** Absent for an operation on the whole service. */
  readonly tool?: string
}

const SCOPE = /^(read|write|spend)(?::([a-z0-9][a-z0-9_-]{0,99}?)(?:__([A-Za-z0-9_-]{1,99}))?)?$/

interface ParsedScope {
  readonly effect: ScopeEffect
  readonly service: string | undefined
  readonly tool: string | undefined
}

/** The parts of a scope. Throws `bad-scope`. */
export function parseScope(scope: Scope): ParsedScope {
  const match = SCOPE.exec(scope)
  if (!match)
    throw new KintsugiError(
      'bad-scope',
      `scope: expected read, write or spend, optionally followed by :server or :server__tool (got ${JSON.stringify(String(scope).slice(0, 100))})`,
    )
  return { effect: match[1] as ScopeEffect, service: match[2], tool: match[3] }
}

/** Whether scopes allow a call. A malformed scope allows nothing. */
export function allows(scopes: readonly Scope[], wanted: Wanted): boolean {
  return scopes.some((text) => {
    if (!SCOPE.test(text)) return false
    return covers(parseScope(text), wanted)
  })
}

function covers(
  { effect, service, tool }: ParsedScope,
  wanted: { effect: ScopeEffect; service?: string | undefined; tool?: string | undefined },
): boolean {
  if (EFFECTS.indexOf(effect) < EFFECTS.indexOf(wanted.effect)) return false
  if (service === undefined) return true
  return service === wanted.service && (tool === undefined || tool === wanted.tool)
}

/** Whether a holder of `held` may issue a token with `wanted`: no token exceeds its issuer's. */
export function mayGrant(held: readonly Scope[], wanted: readonly Scope[]): boolean {
  return wanted.every((scope) => held.some((own) => covers(parseScope(own), parseScope(scope))))
}

/** Throws `insufficient-scope` unless a holder of `held` may issue a token with `wanted`. */
export function requireGrantable(held: readonly Scope[], wanted: readonly Scope[]): void {
  if (mayGrant(held, wanted)) return
  throw new KintsugiError(
    'insufficient-scope',
    `scopes: ${wanted.join(' ')} is more than the caller's own token allows`,
    { hint: `the caller's scopes: ${held.join(' ') || 'none'}` },
  )
}

/**
 * The scopes of a new token, by a role or listed. Throws `bad-argument` unless exactly one is given,
 * `bad-scope` for a malformed scope.
 */
export function scopesOf({
  role,
  scopes,
}: {
  role?: string | undefined
  scopes?: readonly Scope[] | undefined
}): Scope[] {
  if ((role === undefined) === (scopes === undefined))
    throw new KintsugiError('bad-argument', 'role, scopes: expected exactly one of the two', {
      hint: 'list_roles shows the roles',
    })
  const wanted = scopes ?? ROLES[role as string]?.scopes ?? []
  for (const scope of wanted) parseScope(scope)
  return [...wanted]
}

/** The narrowest scope that a call needs. */
export const scopeFor = ({ effect, service, tool }: Wanted): Scope =>
  `${effect}:${service}${tool === undefined ? '' : `__${tool}`}`
