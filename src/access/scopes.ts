/**
 * Who may do what, as data: a scope is an effect and, where it is narrower than everything, a server or a tool. A wider effect covers the
 * narrower ones: who may spend may write, who may write may read.
 */
import { KintsugiError } from '../std/errors.ts'

const EFFECTS = ['read', 'write', 'spend'] as const
export type ScopeEffect = (typeof EFFECTS)[number]

/** `read`, `write:mcp_server_manager`, `spend:transaction_executor__execute_opportunity`. */
export type Scope = string

export const ROLES: Readonly<Record<string, { readonly title: string; readonly scopes: readonly Scope[] }>> =
  {
    reader: { title: 'Sees everything, changes nothing', scopes: ['read'] },
    operator: { title: 'Keeps the fleet up: all reads and writes, no trade', scopes: ['write'] },
    trader: {
      title: 'May send trades, within the rules that hold for all',
      scopes: [
        'read',
        'spend:transaction_executor',
        'spend:working_flash_loan_mcp',
        'spend:aave_flash_loan_mcp_server',
      ],
    },
    admin: { title: 'Everything, tokens for others too', scopes: ['spend'] },
  }

/** Who is meant by these is known without a token: nobody is given one of them. */
export const RESERVED_NAMES: readonly string[] = ['operator', 'anonymous']

export interface Grant {
  /** Of the token; what it is revoked by. */
  readonly id: string
  /** Whom it was given to. */
  readonly subject: string
  readonly scopes: readonly Scope[]
  /** s since 1970. */
  readonly expiresAt: number
  /** Calls a minute; absent for as many as there are. */
  readonly callsPerMinute?: number
}

export interface Wanted {
  readonly effect: ScopeEffect
  readonly service: string
  /** Absent for what a whole service does. */
  readonly tool?: string
}

const SCOPE = /^(read|write|spend)(?::([a-z0-9][a-z0-9_-]{0,99}?)(?:__([A-Za-z0-9_-]{1,99}))?)?$/

interface ParsedScope {
  readonly effect: ScopeEffect
  readonly service: string | undefined
  readonly tool: string | undefined
}

/** Throws `bad-scope`. */
export function parseScope(scope: Scope): ParsedScope {
  const match = SCOPE.exec(scope)
  if (!match)
    throw new KintsugiError(
      'bad-scope',
      `scope: expected read, write or spend, with :server or :server__tool where it is narrower (got ${JSON.stringify(String(scope).slice(0, 100))})`,
    )
  return { effect: match[1] as ScopeEffect, service: match[2], tool: match[3] }
}

/** Whether scopes allow it. What is no scope allows nothing. */
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

/** Whether who holds `held` may give `wanted` to others: nobody hands out more than they have. */
export function mayGrant(held: readonly Scope[], wanted: readonly Scope[]): boolean {
  return wanted.every((scope) => held.some((own) => covers(parseScope(own), parseScope(scope))))
}

/** The scope that a call needs, for messages. */
export const scopeFor = ({ effect, service, tool }: Wanted): Scope =>
  `${effect}:${service}${tool === undefined ? '' : `__${tool}`}`
