/** Records every call: audit log, metrics, telemetry and the vitals of the service. */
import { createHash } from 'node:crypto'
import type { AuditEntry, AuditRecorder } from '../../ports/audit.ts'
import type { Telemetry } from '../../ports/telemetry.ts'
import { toErrorReport } from '../../std/errors.ts'
import { nextTraceparent, traceOf } from '../../std/trace.ts'
import { InputNeeded } from '../elicitation.ts'
import type { ServiceMetrics } from './metrics.ts'
import type { CallSubject, ToolCall } from './tool-call.ts'

/**
 * Receives the begin and end of each call, for the record of calls in flight and the vitals of the service.
 */
export interface CallObserver {
  begin(tool: string): void
  /** `ok` is false only for failures of the service itself (code `internal`). */
  end(tool: string, ok: boolean, durationMs: number): void
}

/** The destinations of call records; each is optional except the metrics. */
export interface CallRecorderOptions {
  readonly metrics: Pick<ServiceMetrics, 'calls' | 'duration'>
  readonly audit?: AuditRecorder | undefined
  readonly telemetry?: Telemetry | undefined
  readonly observer?: CallObserver | undefined
  /** SHA-256 in hex of a tool's definition. */
  definitionHash(tool: string): string
  /** ms since 1970. */
  now(): number
}

/** The record of a call that runs. */
export interface OpenRecord {
  /** W3C trace context of the call, for the calls that it makes. */
  readonly traceparent: string
  /** The approver of the call, if it needed an approval. */
  approvedBy: string | undefined
  /** Resolves once the audit log durably says that the call begins. Throws `ledger-unreachable`. */
  recordBegin(): Promise<void>
}

/** Writes the records of one service's calls. */
export class CallRecorder {
  readonly #options: CallRecorderOptions

  constructor(options: CallRecorderOptions) {
    this.#options = options
  }

  /** Records a call that was refused before it ran. */
  refused(subject: CallSubject, args: unknown, traceparent: string | null, error: unknown): void {
    const { audit } = this.#options
    audit?.record({
      ...this.#entry(subject, args, traceparent),
      decision: 'refused',
      outcome: toErrorReport(error).code,
    })
  }

  /** Runs `work` and records its outcome and duration. */
  async run<T>(
    { permit, args, traceparent = null }: ToolCall,
    work: (record: OpenRecord) => Promise<T>,
  ): Promise<T> {
    const { audit, telemetry, observer, now } = this.#options
    const { name, service } = permit
    const started = performance.now()
    const entry = audit && this.#entry(permit, args, traceparent)
    const operation = telemetry?.begin(
      'server',
      'tools/call',
      name,
      { 'server.address': service },
      traceparent,
    )
    const record = openRecord(operation?.traceparent ?? nextTraceparent(traceparent), entry, audit)
    let outcome = 'ok'
    try {
      observer?.begin(name)
      return await work(record)
    } catch (error) {
      outcome = error instanceof InputNeeded ? 'input-needed' : toErrorReport(error).code
      throw error
    } finally {
      const durationMs = performance.now() - started
      operation?.end(outcome === 'ok' || outcome === 'input-needed' ? undefined : outcome)
      observer?.end(name, outcome !== 'internal', durationMs)
      if (entry)
        audit.record({
          ...approvedEntry(entry, record),
          at: now(),
          outcome,
          durationMs: Math.round(durationMs * 1_000) / 1_000,
        })
      this.#count(name, outcome, durationMs)
    }
  }

  #count(tool: string, outcome: string, durationMs: number): void {
    const { calls, duration } = this.#options.metrics
    calls.inc({ tool, outcome })
    duration.observe({ tool }, durationMs / 1_000)
  }

  #entry(
    { service, name, tool, caller }: CallSubject,
    args: unknown,
    traceparent: string | null,
  ): AuditEntry {
    const { now, definitionHash } = this.#options
    return {
      trace: traceOf(traceparent),
      at: now(),
      who: caller.name,
      service,
      tool: name,
      effect: tool.effect,
      argumentsHash: createHash('sha256')
        .update(JSON.stringify(args) ?? '')
        .digest('hex'),
      definitionHash: definitionHash(name),
      decision: 'allowed',
      outcome: null,
      durationMs: null,
    }
  }
}

function openRecord(
  traceparent: string,
  entry: AuditEntry | undefined,
  audit: AuditRecorder | undefined,
): OpenRecord {
  const record: OpenRecord = {
    traceparent,
    approvedBy: undefined,
    recordBegin: async () => {
      if (entry) await audit?.recordNow({ ...approvedEntry(entry, record), decision: 'begins' })
    },
  }
  return record
}

const approvedEntry = (entry: AuditEntry, { approvedBy }: OpenRecord): AuditEntry =>
  approvedBy === undefined ? entry : { ...entry, approvedBy }
