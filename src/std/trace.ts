/**
 * W3C trace context (https://www.w3.org/TR/trace-context/): calls of one trace share an id across all hops.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/
const NONE = '0'.repeat(32)

/** The trace id of a `traceparent`, 32 hexadecimal digits; null for an invalid one. */
export function traceOf(traceparent: unknown): string | null {
  const id = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined
  return id === undefined || id === NONE ? null : id
}

/**
 * Random bytes are drawn in blocks: drawing them one by one costs more than the rest of a hop's bookkeeping.
 */
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

/** The given `traceparent` unchanged; null for an invalid one. */
export const traceparentOf = (value: unknown): string | null =>
  traceOf(value) === null ? null : (value as string)

/** A `traceparent` for the next hop, in the trace of `last`; starts a new trace if `last` is invalid. */
export function nextTraceparent(last: unknown): string {
  return `00-${traceOf(last) ?? randomHex(16)}-${randomHex(8)}-01`
}

/** The `traceparent` of the current call; outgoing calls continue its trace. */
export const currentTrace = new AsyncLocalStorage<string>()
