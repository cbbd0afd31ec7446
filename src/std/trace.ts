/** W3C trace context: which calls belong together, across every hop. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/
const NONE = '0'.repeat(32)

/** The trace that a `traceparent` names; null where it is none. */
export function traceOf(traceparent: unknown): string | null {
  const id = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined
  return id === undefined || id === NONE ? null : id
}

/** Random bytes are fetched many at a time: one by one they cost more than the rest of a hop's bookkeeping. */
const POOL_BYTES = 4_096
let pool = Buffer.alloc(0)
let used = 0

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    pool = randomBytes(POOL_BYTES)
    used = 0
  }
  used += bytes
  return pool.toString('hex', used - bytes, used)
}

/** A `traceparent` as it was given; null for what is none. */
export const traceparentOf = (given: unknown): string | null =>
  traceOf(given) === null ? null : (given as string)

/** A `traceparent` for the next hop: in the trace of the last one, or the first of a new trace. */
export function nextTraceparent(last: unknown): string {
  return `00-${traceOf(last) ?? randomHex(16)}-${randomHex(8)}-01`
}

/** The `traceparent` of the call that runs now: calls that it makes of others belong to it. */
export const currentTrace = new AsyncLocalStorage<string>()
