/** Who may call: Host and Origin checks against rebinding, and the token. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { validateHostHeader, validateOriginHeader } from '@modelcontextprotocol/server'
import { KintsugiError } from '../std/errors.ts'
import { allows, type Grant, type Scope, scopeFor, type Wanted } from '../access/scopes.ts'

export interface AccessPolicy {
  /** SHA-256 of the token, so that the token itself is not kept around. */
  readonly tokenHash: Buffer | undefined
  /** What a token of the issuer grants; undefined for one that is not valid. */
  readonly verify?: (token: string) => Promise<Grant | undefined>
  /** AUTH=required: reads need the token too. */
  readonly required: boolean
  /** Whether the service listens beyond loopback: then everything needs the token but health and readiness. */
  readonly beyondLoopback: boolean
  /** Names by which the service may be addressed, without port. */
  readonly hostnames: readonly string[]
}

export const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest()

/** Throws `forbidden-host` or `forbidden-origin`. */
export function checkOrigin(policy: AccessPolicy, headers: Headers): void {
  const host = validateHostHeader(headers.get('host'), [...policy.hostnames])
  if (!host.ok) throw new KintsugiError('forbidden-host', `this Host is not served: ${host.message}`, { hint: `use one of ${policy.hostnames.join(', ')}` })
  const origin = headers.get('origin')
  if (origin === null) return
  const result = validateOriginHeader(origin, [...policy.hostnames])
  if (!result.ok) throw new KintsugiError('forbidden-origin', `requests from ${origin.slice(0, 100)} are not allowed: ${result.message}`)
}

export interface Caller {
  /** `anonymous`, `operator` for the fleet's own token, otherwise whom the token was given to. */
  readonly name: string
  readonly scopes: readonly Scope[]
}

export const ANONYMOUS: Caller = { name: 'anonymous', scopes: [] }
/** Who holds the token of the data folder may do everything. */
const OPERATOR: Caller = { name: 'operator', scopes: ['spend'] }
const TOKEN_HINT = 'send `Authorization: Bearer` with a token of `kintsugi token issue`, or with the content of the file `token` in the data folder'

/** The gateway, which speaks with the fleet's own token, says for whom: for the records, not for what is allowed. */
export const ON_BEHALF_HEADER = 'x-kintsugi-caller'

function onBehalf(name: string | null): Caller {
  return name !== null && /^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,79}$/.test(name) ? { ...OPERATOR, name } : OPERATOR
}

/** Who the caller is. Throws `bad-token` for a token that is not valid: it is never treated as none. */
export async function identify(policy: AccessPolicy, headers: Headers): Promise<Caller> {
  const header = headers.get('authorization')
  if (header === null) return ANONYMOUS
  const token = /^Bearer ([^\s]+)$/i.exec(header)?.[1]
  if (token && policy.tokenHash && timingSafeEqual(hashToken(token), policy.tokenHash)) return onBehalf(headers.get(ON_BEHALF_HEADER))
  const grant = token && (await policy.verify?.(token))
  if (grant) return { name: grant.subject, scopes: grant.scopes }
  throw new KintsugiError('bad-token', 'the token is not valid here', { hint: TOKEN_HINT })
}

/** Throws `token-required` where a tool, or anything beyond health, needs one, and `insufficient-scope` for a token that does not reach so far. */
export function authorize(policy: AccessPolicy, caller: Caller, tool?: Wanted & { readonly guarded?: boolean | undefined }): void {
  const needed = policy.required || policy.beyondLoopback || (tool !== undefined && (tool.effect !== 'read' || tool.guarded === true))
  if (!needed) return
  if (caller === ANONYMOUS) {
    const why = policy.required
      ? 'AUTH=required'
      : policy.beyondLoopback
        ? 'the service is reachable from outside'
        : `the tool ${tool?.effect === 'read' ? 'is guarded' : `has the effect "${tool?.effect}"`}`
    throw new KintsugiError('token-required', `a token is needed: ${why}`, { hint: TOKEN_HINT })
  }
  if (tool && !allows(caller.scopes, tool))
    throw new KintsugiError('insufficient-scope', `the token of ${caller.name} does not allow this: it needs the scope ${scopeFor(tool)}`, {
      hint: `its scopes: ${caller.scopes.join(' ') || 'none'}; a token with more is issued by \`kintsugi token issue\``,
    })
}

const STATUS: Readonly<Record<string, 400 | 401 | 403 | 404 | 409 | 413 | 429 | 503 | 504>> = {
  'bad-argument': 400,
  'bad-json': 400,
  'bad-request': 400,
  'unknown-symbol': 404,
  'unknown-tool': 404,
  'unknown-service': 404,
  'not-found': 404,
  'token-required': 401,
  'bad-token': 401,
  'insufficient-scope': 403,
  'bad-scope': 400,
  'forbidden-host': 403,
  'forbidden-origin': 403,
  'too-large': 413,
  'too-many-calls': 429,
  'deadline-exceeded': 504,
  'service-unreachable': 503,
  'chain-unreachable': 503,
  'ledger-unreachable': 503,
  'bus-unreachable': 503,
  'market-not-ready': 503,
  conflict: 409,
}

/** The HTTP status for an error code; 422 where the request was understood and could not be done, 500 for our own failures. */
export function statusOf(code: string): 400 | 401 | 403 | 404 | 409 | 413 | 422 | 429 | 500 | 503 | 504 {
  return STATUS[code] ?? (code === 'internal' ? 500 : 422)
}
