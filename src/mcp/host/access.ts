/** Access control: Host and Origin checks against DNS rebinding, tokens, scopes and per-token limits. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { validateHostHeader, validateOriginHeader } from '@modelcontextprotocol/server'
import { delegatedCaller } from '../../access/delegation.ts'
import { allows, type Grant, type Scope, scopeFor, type Wanted } from '../../access/scopes.ts'
import { CODES, type CodeFacts, isCode } from '../../std/codes.ts'
import { KintsugiError } from '../../std/errors.ts'
import { type TokenBucket, take } from '../../std/token-bucket.ts'

/** The valid tokens, and the requests that need one. */
export interface AccessPolicy {
  /** SHA-256 of the fleet's own token; the token itself is not kept in memory. */
  readonly tokenHash: Buffer | undefined
  /** The grant of a token of the issuer; undefined for an invalid token. */
  readonly verify?: (token: string) => Promise<Grant | undefined>
  /** The process of the fleet that a token belongs to; undefined if it belongs to none. */
  readonly service?: (token: string) => string | undefined
  /** The external issuer of accepted tokens, and the resource that they must name. */
  readonly oauth?: { readonly issuer: string; readonly resource: string }
  /** AUTH=required: reads need a token too. */
  readonly required: boolean
  /**
   * Whether the service listens beyond loopback: then everything except health and readiness needs a token.
   */
  readonly beyondLoopback: boolean
  /** Accepted values of Host and Origin, without port. */
  readonly hostnames: readonly string[]
}

/** Host names of loopback. */
export const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

/** SHA-256 of a token. */
export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest()

/** Checks Host and Origin. Throws `forbidden-host` or `forbidden-origin`. */
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

/** The sender of a request. */
export interface Caller {
  /** `anonymous`, `operator` for the fleet's own token, otherwise the subject of the token. */
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Rate limit of the token. */
  readonly limit?: { readonly id: string; readonly callsPerMinute: number }
  /** A process of the fleet that acts by itself: its calls were approved at their origin. */
  readonly service?: true
}

/** A caller without a token. */
export const ANONYMOUS: Caller = { name: 'anonymous', scopes: [] }
/** The holder of the token in the data folder may do everything. */
const OPERATOR: Caller = { name: 'operator', scopes: ['spend'] }
/** What to do for a token with a scope, by default for reads. */
const tokenHint = (scope: Scope = 'read') =>
  `run \`kintsugi token issue NAME --scope ${scope}\` and send its token as \`Authorization: Bearer\`; the file \`token\` in the data folder holds one that allows everything`

function ofService(name: string, headers: Headers): Caller {
  return delegatedCaller(headers) ?? { name, scopes: ['spend'], service: true }
}

/**
 * Identifies the caller by its token. Throws `bad-token` for an invalid token, which never counts as no
 * token.
 */
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
  throw new KintsugiError('bad-token', 'the token is not valid here', { hint: tokenHint() })
}

/** Throws `token-required` if everything needs a token here and the caller has none. */
export function requireToken({ required, beyondLoopback }: AccessPolicy, caller: Caller): void {
  if (caller !== ANONYMOUS || !(required || beyondLoopback)) return
  throw tokenRequired(beyondLoopback ? 'the service is reachable from outside' : 'AUTH=required')
}

/**
 * Authorizes one call. Throws `token-required` without a token that it needs, `insufficient-scope` if the
 * token does not allow it.
 */
export function authorize(
  policy: AccessPolicy,
  caller: Caller,
  wanted: Wanted & { readonly guarded?: boolean | undefined },
): void {
  const { effect, guarded } = wanted
  if (caller === ANONYMOUS) {
    if (effect !== 'read') throw tokenRequired(`it has the effect "${effect}"`, wanted)
    if (guarded) throw tokenRequired('the tool is guarded', wanted)
    requireToken(policy, caller)
    return
  }
  const { required, beyondLoopback } = policy
  const restricted = required || beyondLoopback || effect !== 'read' || guarded
  if (!restricted || allows(caller.scopes, wanted)) return
  const scope = scopeFor(wanted)
  throw new KintsugiError(
    'insufficient-scope',
    `the token of ${caller.name} does not allow this: it needs the scope ${scope}`,
    {
      hint: `its scopes: ${caller.scopes.join(' ') || 'none'}; ${tokenHint(scope)}`,
      data: { scope },
    },
  )
}

const tokenRequired = (reason: string, wanted?: Wanted): KintsugiError =>
  new KintsugiError('token-required', `a token is needed: ${reason}`, {
    hint: tokenHint(wanted && scopeFor(wanted)),
    ...(wanted ? { data: { scope: scopeFor(wanted) } } : {}),
  })

/** The remaining calls of each limited token. */
const buckets = new Map<string, TokenBucket>()
const MAX_BUCKETS = 10_000

/** Counts a call of a token with a rate limit. `now` is in ms. Throws `too-many-calls` (retry later). */
export function countCall({ name, limit }: Caller, now: number): void {
  if (!limit) return
  if (buckets.size > MAX_BUCKETS) buckets.clear()
  const { bucket, allowed, retryInMs } = take(buckets.get(limit.id), limit.callsPerMinute, now)
  buckets.set(limit.id, bucket)
  if (!allowed)
    throw new KintsugiError(
      'too-many-calls',
      `the token of ${name} allows ${limit.callsPerMinute} calls per minute`,
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
