/** Who may call: Host and Origin checks against rebinding, and the token. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { validateHostHeader, validateOriginHeader } from '@modelcontextprotocol/server'
import { calledFor } from '../../access/delegation.ts'
import { allows, type Grant, type Scope, scopeFor, type Wanted } from '../../access/scopes.ts'
import { CODES, type CodeFacts, isCode } from '../../std/codes.ts'
import { KintsugiError } from '../../std/errors.ts'
import { type TokenBucket, take } from '../../std/token-bucket.ts'

export interface AccessPolicy {
  /** SHA-256 of the token, so that the token itself is not kept around. */
  readonly tokenHash: Buffer | undefined
  /** What a token of the issuer grants; undefined for one that is not valid. */
  readonly verify?: (token: string) => Promise<Grant | undefined>
  /** Which process of the fleet a token is of; undefined for one that is of none. */
  readonly service?: (token: string) => string | undefined
  /** Whose tokens are good here besides our own, and whom they must be for. */
  readonly oauth?: { readonly issuer: string; readonly resource: string }
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
  if (!host.ok)
    throw new KintsugiError('forbidden-host', `this Host is not served: ${host.message}`, {
      hint: `use one of ${policy.hostnames.join(', ')}`,
    })
  const origin = headers.get('origin')
  if (origin === null) return
  const result = validateOriginHeader(origin, [...policy.hostnames])
  if (!result.ok)
    throw new KintsugiError(
      'forbidden-origin',
      `requests from ${origin.slice(0, 100)} are not allowed: ${result.message}`,
    )
}

export interface Caller {
  /** `anonymous`, `operator` for the fleet's own token, otherwise whom the token was given to. */
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Of a token that may call only so often. */
  readonly limit?: { readonly id: string; readonly callsPerMinute: number }
  /** A process of the fleet, for itself: what it does was decided where it began. */
  readonly service?: true
}

export const ANONYMOUS: Caller = { name: 'anonymous', scopes: [] }
/** Who holds the token of the data folder may do everything. */
const OPERATOR: Caller = { name: 'operator', scopes: ['spend'] }
const TOKEN_HINT =
  'send `Authorization: Bearer` with a token of `kintsugi token issue`, or with the content of the file `token` in the data folder'

function ofService(name: string, headers: Headers): Caller {
  return calledFor(headers) ?? { name, scopes: ['spend'], service: true }
}

/** Who the caller is. Throws `bad-token` for a token that is not valid: it is never treated as none. */
export async function identify(policy: AccessPolicy, headers: Headers): Promise<Caller> {
  const header = headers.get('authorization')
  if (header === null) return ANONYMOUS
  const token = /^Bearer ([^\s]+)$/i.exec(header)?.[1]
  if (token && policy.tokenHash && timingSafeEqual(hashToken(token), policy.tokenHash)) return OPERATOR
  const service = token && policy.service?.(token)
  if (service) return ofService(service, headers)
  const grant = token && (await policy.verify?.(token))
  if (grant)
    return {
      name: grant.subject,
      scopes: grant.scopes,
      ...(grant.callsPerMinute === undefined
        ? {}
        : { limit: { id: grant.id, callsPerMinute: grant.callsPerMinute } }),
    }
  throw new KintsugiError('bad-token', 'the token is not valid here', { hint: TOKEN_HINT })
}

/** Why every request needs a token under this policy; undefined if reads do not. */
const requiredBy = ({ required, beyondLoopback }: AccessPolicy): string | undefined =>
  beyondLoopback ? 'the service is reachable from outside' : required ? 'AUTH=required' : undefined

/** Whether a caller may use the service at all. Throws `token-required` for an anonymous caller if every request needs a token. */
export function requireToken(policy: AccessPolicy, caller: Caller): void {
  const reason = requiredBy(policy)
  if (reason !== undefined && caller === ANONYMOUS)
    throw new KintsugiError('token-required', `a token is needed: ${reason}`, { hint: TOKEN_HINT })
}

/** Whether a caller may do `wanted`. Throws `token-required` for an anonymous caller, and `insufficient-scope` if the token's scopes do not cover it. */
export function authorize(
  policy: AccessPolicy,
  caller: Caller,
  tool: Wanted & { readonly guarded?: boolean | undefined },
): void {
  const reason =
    tool.effect !== 'read'
      ? `it has the effect "${tool.effect}"`
      : tool.guarded
        ? 'the tool is guarded'
        : requiredBy(policy)
  if (reason === undefined) return
  if (caller === ANONYMOUS)
    throw new KintsugiError('token-required', `a token is needed: ${reason}`, {
      hint: TOKEN_HINT,
      data: { scope: scopeFor(tool) },
    })
  if (!allows(caller.scopes, tool))
    throw new KintsugiError(
      'insufficient-scope',
      `the token of ${caller.name} does not allow this: it needs the scope ${scopeFor(tool)}`,
      {
        hint: `its scopes: ${caller.scopes.join(' ') || 'none'}; a token with more is issued by \`kintsugi token issue\``,
        data: { scope: scopeFor(tool) },
      },
    )
}

/** How often each limited token has called of late. */
const buckets = new Map<string, TokenBucket>()
const MAX_BUCKETS = 10_000

/** Counts a call of a token that may call only so often. Throws `too-many-calls`. */
export function countCall({ name, limit }: Caller, now: number): void {
  if (!limit) return
  if (buckets.size > MAX_BUCKETS) buckets.clear()
  const { bucket, allowed, retryInMs } = take(buckets.get(limit.id), limit.callsPerMinute, now)
  buckets.set(limit.id, bucket)
  if (!allowed)
    throw new KintsugiError(
      'too-many-calls',
      `the token of ${name} allows ${limit.callsPerMinute} calls a minute`,
      {
        retry: 'later',
        hint: `try again in ${Math.ceil(retryInMs / 1_000)} s`,
        data: { retryInMs },
      },
    )
}

/** The HTTP status for an error code; 422 for a code that is not ours. */
export function statusOf(code: string): CodeFacts['status'] {
  return isCode(code) ? CODES[code].status : 422
}
