/** Calls to services that may fail: load balancing over instances, circuit breakers, bulkheads, retries. */
import { setTimeout as sleep } from 'node:timers/promises'
import { BALANCING, type Balancing, chooseInstance } from '../../engine/operations/balancing.ts'
import {
  admit,
  type Breaker,
  type BreakerPolicy,
  closedBreaker,
  earn,
  failed,
  fullBudget,
  MAX_RETRIES,
  retryIn,
  spend,
} from '../../fleet/healing/breaker.ts'
import type { Effect } from '../../mcp/define.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { BULKHEAD, Bulkhead, type BulkheadPolicy } from './bulkhead.ts'

/** The facts of services that a dispatcher needs. */
export interface DispatchOptions {
  /** Ports of a service's instances, its first instance first; empty for an unknown service. */
  portsOf(service: string): readonly number[]
  strategyOf(service: string): Balancing
  bulkhead?: BulkheadPolicy
  limits?: DispatchLimits
  now(): number
}

/** A call to dispatch. */
export interface DispatchedCall {
  readonly service: string
  readonly tool: string
  readonly effect: Effect
  /** Aborted by the caller, or at the deadline. */
  readonly signal: AbortSignal
  /** The caller, whose calls in flight are limited; absent: not limited. */
  readonly caller?: string | undefined
  /** Whether the call carries an idempotency key, so that a write may be repeated. */
  readonly keyed?: boolean
  /** Whether a slow read may also be sent to a second instance. */
  readonly hedged?: boolean
}

/** The maximum of calls in flight, per caller and per tool. */
export interface DispatchLimits {
  readonly perCaller: number
  readonly perTool: number
}

const LIMITS: DispatchLimits = { perCaller: 256, perTool: 1_024 }

/** The answer of a service. `code`: that of its error report, if it is one. */
export interface Answer<T> {
  readonly value: T
  readonly code?: string
}

/** Sends a call to one instance. Rejects without an answer, also when the signal is aborted. */
export type Send<T> = (port: number) => Promise<Answer<T>>

interface Load {
  running: number
  errorShare: number
  latencyMs: number
}

/** Weight of the latest call in the moving averages of an instance. */
const LATEST = 0.1
/**
 * A hedged call goes to a second instance after this many mean latencies of the fastest instance, and at
 * least this long.
 */
const HEDGE_AFTER = 4
const MIN_HEDGE_MS = 15
/** Five of a hundred calls may be hedged. */
const HEDGE_SHARE = 0.05
const MAX_HEDGES = 10
/** Errors that a retry may not meet: the service or a dependency was unavailable, or the service was full. */
const PASSING = new Set([
  'service-unreachable',
  'stopping',
  'too-many-calls',
  'ledger-unreachable',
  'bus-unreachable',
  'chain-unreachable',
  'market-not-ready',
])

/** Sends calls to services. */
export class Dispatch {
  readonly #options: DispatchOptions
  readonly #breakers = new Map<string, Breaker>()
  readonly #loads = new Map<number, Load>()
  readonly #bulkheads = new Map<string, Bulkhead>()
  readonly #turns = new Map<string, number>()
  readonly #inFlight = new Map<string, number>()
  #budget = fullBudget
  #hedges = MAX_HEDGES

  constructor(options: DispatchOptions) {
    this.#options = options
  }

  /** Breakers that are not closed, bulkheads with calls in flight, and the use of the retry budget. */
  state(): {
    observedAt: number
    breakers: { name: string; state: 'open' | 'half-open'; failures: number; retryInMs: number }[]
    bulkheads: Record<string, ReturnType<Bulkhead['state']>>
    retryBudget: { used: number; max: number }
    hedges: { left: number }
  } {
    const now = this.#options.now()
    const breakers = [...this.#breakers].flatMap(([name, breaker]) =>
      breaker.state === 'closed'
        ? []
        : [
            {
              name,
              state: breaker.state,
              failures: breaker.times,
              retryInMs: Math.round(retryIn(breaker, now)),
            },
          ],
    )
    const bulkheads = Object.fromEntries(
      [...this.#bulkheads].flatMap(([service, bulkhead]) =>
        bulkhead.idle ? [] : [[service, bulkhead.state()]],
      ),
    )
    return {
      observedAt: now,
      breakers,
      bulkheads,
      retryBudget: { used: Math.round(MAX_RETRIES - this.#budget.tokens), max: MAX_RETRIES },
      hedges: { left: Math.floor(this.#hedges) },
    }
  }

  /**
   * Calls a service. A read, or a write with an idempotency key, whose service fails is held and repeated on
   * the successor or another instance until its deadline. Any other call is sent once, because it may have
   * taken effect. A call that was not sent yet waits while its service is unavailable. Resolves with the
   * answer of the service, error reports included. Throws `too-many-calls`, `service-unreachable`,
   * `deadline-exceeded` (retry later); `cancelled`; `ambiguous-outcome` for a spend whose outcome is unknown.
   */
  async call<T>(call: DispatchedCall, send: Send<T>): Promise<T> {
    const { perCaller, perTool } = this.#options.limits ?? LIMITS
    const tool = `${call.service}__${call.tool}`
    if (call.caller === undefined)
      return this.#within(tool, perTool, `${tool} runs`, () => this.#call(call, send))
    return this.#within(`caller ${call.caller}`, perCaller, `${call.caller} has`, () =>
      this.#within(tool, perTool, `${tool} runs`, () => this.#call(call, send)),
    )
  }

  /** Runs work within a limit of calls in flight. Throws `too-many-calls`. */
  async #within<T>(what: string, max: number, whose: string, work: () => Promise<T>): Promise<T> {
    const running = this.#inFlight.get(what) ?? 0
    if (running >= max)
      throw new KintsugiError('too-many-calls', `${whose} ${running} calls in flight, the maximum`, {
        retry: 'later',
        hint: 'other callers are not affected; try again in a moment',
      })
    this.#inFlight.set(what, running + 1)
    try {
      return await work()
    } finally {
      const left = (this.#inFlight.get(what) ?? 1) - 1
      if (left === 0) this.#inFlight.delete(what)
      else this.#inFlight.set(what, left)
    }
  }

  async #call<T>(call: DispatchedCall, send: Send<T>): Promise<T> {
    const { service, signal } = call
    const repeatable = isRepeatable(call)
    const bulkhead = this.#bulkhead(service)
    if (bulkhead.full)
      throw new KintsugiError(
        'too-many-calls',
        `${bulkhead.state().running + bulkhead.state().waiting} calls of ${service} are in flight`,
        {
          retry: 'later',
          hint: 'other services are not affected; try again in a moment',
        },
      )
    this.#budget = earn(this.#budget)
    if (!this.#admit(`${service}__${call.tool}`)) await this.#toolAdmitted(call)
    await bulkhead.enter(signal).catch((error) => {
      throw ended(call, error)
    })
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(call, send).catch((error) => error as KintsugiError)
      const code = outcome.code
      if (code === undefined || !PASSING.has(code)) {
        // A call that its caller aborted is no evidence about the service.
        if (signal.aborted) bulkhead.gaveUp()
        else bulkhead.answered()
        return settle(outcome)
      }
      // A held read counts as one retry, however often it is sent.
      const left =
        repeatable && !signal.aborted ? (attempt === 0 ? spend(this.#budget) : this.#budget) : undefined
      if (!left) {
        bulkhead.gaveUp()
        return settle(
          repeatable && !signal.aborted && outcome instanceof KintsugiError ? withHint(outcome) : outcome,
        )
      }
      this.#budget = left
      const ended = await bulkhead.hold(signal, code === 'too-many-calls' ? 'full' : 'unavailable').then(
        () => false,
        () => true,
      )
      if (ended) return settle(outcome)
    }
  }

  #bulkhead(service: string): Bulkhead {
    let bulkhead = this.#bulkheads.get(service)
    if (!bulkhead) {
      bulkhead = new Bulkhead(this.#options.bulkhead)
      this.#bulkheads.set(service, bulkhead)
    }
    return bulkhead
  }

  async #attempt<T>(call: DispatchedCall, send: Send<T>): Promise<Answer<T>> {
    const { service, signal } = call
    if (!this.#admit(service)) throw this.#breakerOpen(service)
    const ports = this.#options.portsOf(service)
    if (ports.length === 0)
      throw new KintsugiError('unknown-service', `unknown service ${JSON.stringify(service)}`)
    const port = this.#instance(service, ports)
    const first = this.#send(call, port, send)
    if (!call.hedged || call.effect !== 'read' || ports.length < 2) return first
    this.#hedges = Math.min(MAX_HEDGES, this.#hedges + HEDGE_SHARE)
    if (this.#hedges < 1) return first
    const patience = Math.max(
      MIN_HEDGE_MS,
      HEDGE_AFTER * Math.min(...ports.map((each) => this.#load(each).latencyMs)),
    )
    const early = await Promise.race([
      first.then(
        () => true,
        () => true,
      ),
      sleep(patience, false, { signal }).catch(() => true),
    ])
    if (early) return first
    this.#hedges--
    const other = ports.filter((each) => each !== port)
    const second = this.#send(call, this.#instance(service, other), send)
    // The first answer wins; if both fail, the error of the first instance.
    return Promise.any([first, second]).catch(() => first)
  }

  async #send<T>(call: DispatchedCall, port: number, send: Send<T>): Promise<Answer<T>> {
    const load = this.#load(port)
    load.running++
    const started = performance.now()
    try {
      const answer = await send(port)
      this.#judge(call, load, answer.code, performance.now() - started)
      return answer
    } catch (error) {
      const report = call.signal.aborted ? ended(call, error) : gone(call, error)
      this.#judge(
        call,
        load,
        report.code === 'ambiguous-outcome' ? 'service-unreachable' : report.code,
        performance.now() - started,
      )
      throw report
    } finally {
      load.running--
    }
  }

  /**
   * While the breaker of a tool is open, its reads wait outside the bulkhead until one may try; other tools
   * are not affected.
   */
  async #toolAdmitted(call: DispatchedCall): Promise<void> {
    const { service, tool, signal } = call
    const name = `${service}__${tool}`
    do {
      if (!isRepeatable(call) || signal.aborted) throw this.#breakerOpen(name)
      const wait = retryIn(this.#breakers.get(name) ?? closedBreaker, this.#options.now())
      await sleep(Math.max(BULKHEAD.probeMs, wait), undefined, { signal }).catch(() => undefined)
    } while (!this.#admit(name))
  }

  #admit(name: string): boolean {
    const breaker = this.#breakers.get(name)
    if (!breaker || breaker.state === 'closed') return true
    const admitted = admit(breaker, this.#options.now())
    this.#breakers.set(name, admitted.breaker)
    return admitted.allowed
  }

  #breakerOpen(name: string): KintsugiError {
    const wait = Math.ceil(retryIn(this.#breakers.get(name) ?? closedBreaker, this.#options.now()))
    return new KintsugiError('service-unreachable', `circuit breaker open for ${name}; retry in ${wait} ms`, {
      retry: 'later',
    })
  }

  #instance(service: string, ports: readonly number[]): number {
    if (ports.length === 1) return ports[0] as number
    const turn = this.#turns.get(service) ?? 0
    this.#turns.set(service, turn + 1)
    const loads = ports.map((each) => ({ port: each, ...this.#load(each) }))
    return ports[chooseInstance(this.#options.strategyOf(service), loads, turn)] as number
  }

  /**
   * Updates breakers and load by an outcome. Any answer of the service, an error too, proves that it is
   * available.
   */
  #judge({ service, tool, signal }: DispatchedCall, load: Load, code: string | undefined, ms: number): void {
    const unavailable = code === 'service-unreachable'
    const broken = code === 'internal' || code === 'deadline-exceeded'
    load.errorShare += LATEST * ((unavailable || broken ? 1 : 0) - load.errorShare)
    load.latencyMs += LATEST * (ms - load.latencyMs)
    if (signal.aborted && code !== 'deadline-exceeded') return
    this.#count(service, unavailable, SERVICE_BREAKER)
    this.#count(`${service}__${tool}`, broken)
  }

  #count(name: string, bad: boolean, policy?: BreakerPolicy): void {
    if (bad)
      this.#breakers.set(name, failed(this.#breakers.get(name) ?? closedBreaker, this.#options.now(), policy))
    else this.#breakers.delete(name)
  }

  #load(port: number): Load {
    let load = this.#loads.get(port)
    if (!load) {
      load = { running: 0, errorShare: 0, latencyMs: 0 }
      this.#loads.set(port, load)
    }
    return load
  }
}

/**
 * Services recover within tens of milliseconds: their breaker opens late and admits a probe soon, so that
 * held reads do not wait.
 */
const SERVICE_BREAKER = { maxFailures: 20, firstMs: 50, maxMs: 1_000 }

function ended(
  { service, tool, signal }: Pick<DispatchedCall, 'service' | 'tool' | 'signal'>,
  cause: unknown,
): KintsugiError {
  const late = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
  return late
    ? new KintsugiError('deadline-exceeded', `${service} did not answer ${tool} in time`, {
        retry: 'later',
        cause,
      })
    : new KintsugiError('cancelled', `the call of ${service} was cancelled`, { cause })
}

const isRepeatable = ({ effect, keyed }: DispatchedCall): boolean =>
  effect === 'read' || (effect === 'write' && keyed === true)

/** Whether a request cannot have arrived, because the connection was not accepted. */
const neverArrived = (cause: unknown): boolean => {
  const code =
    (cause as { code?: unknown; cause?: { code?: unknown } } | undefined)?.code ??
    (cause as { cause?: { code?: unknown } } | undefined)?.cause?.code
  return code === 'ECONNREFUSED' || code === 'UND_ERR_CONNECT_TIMEOUT'
}

function gone({ service, tool, effect }: DispatchedCall, cause: unknown): KintsugiError {
  if (cause instanceof KintsugiError) return cause
  if (effect === 'spend' && !neverArrived(cause))
    return new KintsugiError(
      'ambiguous-outcome',
      `${service} failed while ${tool} was in flight; whether it moved value is unknown`,
      {
        cause,
        hint: 'it was not repeated; execution_status and the last trades show what was sent, `kintsugi audit export` whether it started',
      },
    )
  return new KintsugiError('service-unreachable', `${service} did not answer: ${messageOf(cause)}`, {
    retry: 'later',
    cause,
    ...(effect === 'read'
      ? {}
      : { hint: 'the call may or may not have taken effect: check before you repeat it' }),
  })
}

function settle<T>(outcome: Answer<T> | KintsugiError): T {
  if (outcome instanceof KintsugiError) throw outcome
  return outcome.value
}

function withHint(error: KintsugiError): KintsugiError {
  return new KintsugiError(error.code, error.message, {
    retry: 'later',
    hint: 'retry budget exhausted; not retried',
    cause: error,
  })
}

/** The balancing strategy of services that have no other. */
export const DEFAULT_BALANCING: Balancing = BALANCING[0]
