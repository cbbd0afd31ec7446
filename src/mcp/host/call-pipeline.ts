/** The path of every call: authorize, admit, record, bound by a deadline, run idempotently, approve, run. */

import type { AuditRecorder } from '../../ports/audit.ts'
import type { Records } from '../../ports/records.ts'
import type { Telemetry } from '../../ports/telemetry.ts'
import { KintsugiError } from '../../std/errors.ts'
import { currentTrace } from '../../std/trace.ts'
import type { HostScope } from '../define.ts'
import type { Definitions } from '../protocol/definitions.ts'
import { type AccessPolicy, type Caller, countCall } from './access.ts'
import { Admission } from './admission.ts'
import { type ApprovalDesk, approveCall } from './approve.ts'
import { type CallObserver, CallRecorder, type OpenRecord } from './call-recorder.ts'
import { withDeadline } from './deadline.ts'
import { runIdempotent } from './idempotency.ts'
import type { ServiceMetrics } from './metrics.ts'
import { consumeState } from './request-state.ts'
import { type PreparedCall, prepareCall, runTool } from './run-tool.ts'
import { type CallSubject, Permit, type ToolCall, type ToolOutput } from './tool-call.ts'

/** The parts of a service that its calls need; see `HostOptions`. */
export interface CallPipelineOptions {
  readonly service: string
  readonly definitions: Definitions
  readonly scope: HostScope
  /** Checks every answer against its tool's output schema: in tests and development. */
  readonly checkAnswers?: boolean | undefined
  readonly access: AccessPolicy
  readonly metrics: ServiceMetrics
  /** Initial limit of concurrent calls (MAX_CONCURRENT_OPERATIONS). */
  readonly maxConcurrent: number
  /** Deadline of a call in ms (REQUEST_TIMEOUT). */
  readonly timeoutMs: number
  readonly approvals?: ApprovalDesk | undefined
  readonly audit?: AuditRecorder | undefined
  readonly telemetry?: Telemetry | undefined
  readonly observer?: CallObserver | undefined
  /** Injects faults into calls, for tests of a running fleet. */
  injectFault?<T>(work: () => T | Promise<T>): Promise<T>
  /** Maximum delay of the event loop, in ms. */
  loopDelayMs(): number
  /** The records that all processes share. */
  records(): Promise<Records>
  /** ms since 1970. */
  now(): number
}

/** Runs the calls of one service. */
export class CallPipeline {
  readonly #options: CallPipelineOptions
  readonly #admission: Admission
  readonly #recorder: CallRecorder

  constructor(options: CallPipelineOptions) {
    this.#options = options
    this.#admission = new Admission(options)
    this.#recorder = new CallRecorder({
      ...options,
      definitionHash: (tool) => options.definitions.hashOf(tool),
    })
  }

  /** Calls that run now. */
  get inFlight(): number {
    return this.#admission.inFlight
  }

  /** Whether the service has this tool now. */
  knows(name: string): boolean {
    return this.#options.definitions.tools.has(name)
  }

  /** Authorizes a call. Throws `unknown-tool`; throws and records `token-required`, `insufficient-scope`. */
  permit(name: string, args: unknown, caller: Caller, traceparent: string | null): Permit {
    const { service, definitions, access } = this.#options
    const tool = definitions.tools.get(name)
    if (!tool)
      throw new KintsugiError('unknown-tool', `${service} has no tool ${JSON.stringify(name.slice(0, 80))}`, {
        hint: `its tools: ${[...definitions.tools.keys()].join(', ')}`,
      })
    const subject = { service, name, tool, caller }
    return this.#orRefuse(subject, args, traceparent, () => Permit.issue(access, subject))
  }

  /**
   * Runs an authorized call. Throws `too-many-calls`, `deadline-exceeded`, `cancelled`, the errors of
   * approval and idempotency, and the tool's own errors.
   */
  async run(call: ToolCall): Promise<ToolOutput> {
    const { permit, args, traceparent = null, signal, onDetach } = call
    const { timeoutMs, scope, now } = this.#options
    this.#orRefuse(permit, args, traceparent, () => countCall(permit.caller, now()))
    return this.#admission.run(() =>
      this.#recorder.run(call, (record) =>
        withDeadline({ name: permit.name, timeoutMs, signal, onDetach }, async (ended) =>
          this.#attempt(prepareCall(call, scope, ended), record),
        ),
      ),
    )
  }

  async #attempt(call: PreparedCall, record: OpenRecord): Promise<ToolOutput> {
    const { records, now } = this.#options
    const { permit, args, idempotencyKey: key } = call
    const { service, name, tool, caller } = permit
    const isRead = tool.effect === 'read'
    const perform = () => this.#perform(call, record)
    const attempt = async () =>
      key === undefined || isRead
        ? perform()
        : runIdempotent(
            await records(),
            { key, service, tool: name, caller: caller.name, args, repeatable: tool.idempotent === true },
            now(),
            perform,
          )
    const output = await (this.#options.injectFault?.(attempt) ?? attempt())
    if (isRead) await consumeState(records, call.stateNonce, now())
    return output
  }

  /**
   * The effects of a call, in the order that protects value: approval, single-use state, durable record, run.
   */
  async #perform(call: PreparedCall, record: OpenRecord): Promise<ToolOutput> {
    const { approvals, records, now } = this.#options
    const { effect } = call.permit.tool
    record.approvedBy = approvals && (await approveCall(approvals, call))
    // The call may have ended while it waited: a call that was reported as over must have no effect.
    call.context.signal.throwIfAborted()
    if (effect !== 'read') await consumeState(records, call.stateNonce, now())
    if (effect === 'spend') await record.recordBegin()
    call.context.signal.throwIfAborted()
    return currentTrace.run(record.traceparent, () => runTool(call, this.#options.checkAnswers === true))
  }

  #orRefuse<T>(subject: CallSubject, args: unknown, traceparent: string | null, check: () => T): T {
    try {
      return check()
    } catch (error) {
      this.#recorder.refused(subject, args, traceparent, error)
      throw error
    }
  }
}
