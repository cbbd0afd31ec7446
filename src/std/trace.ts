/** W3C trace context: which calls belong together, across every hop. */
import { randomBytes } from 'node:crypto'

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/
const NONE = '0'.repeat(32)

/** The trace that a `traceparent` names; null where it is none. */
export function traceOf(traceparent: unknown): string | null {
  const id = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined
  return id === undefined || id === NONE ? null : id
}

/** A `traceparent` for the next hop: in the trace of the last one, or the first of a new trace. */
export function nextTraceparent(last: unknown): string {
  return `00-${traceOf(last) ?? randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`
}
