/** Calls to services that fail now and then: instances to choose from, breakers, bulkheads, and repeating what may be repeated. */
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

export interface DispatchOptions {
  /** Ports at which a service answers now, its own first. */
  portsOf(service: string): readonly number[]
  strategyOf(service: string): Balancing
  bulkhead?: BulkheadPolicy
  limits?: DispatchLimits
  now(): number
}

export interface DispatchedCall {
  readonly service: string
  readonly tool: string
  readonly effect: Effect
  /** Ends with the caller, or at the deadline. */
  readonly signal: AbortSignal
  /** Who calls: nobody has more under way than their share. Absent for those who share none. */
  readonly caller?: string | undefined
  /** It carries an idempotency key: a write that happens once however often it is sent. */
  readonly keyed?: boolean
  /** It is cheap, and anybody may ask: a second instance may be asked too where the first takes long. */
  readonly hedged?: boolean
}

/** Calls under way at most: of one caller, and of one tool. */
export interface DispatchLimits {
  readonly perCaller: number
  readonly perTool: number
}

const LIMITS: DispatchLimits = { perCaller: 256, perTool: 1_024 }

/** What a service said. `code`: that of its own error report, where it answered with one. */
export interface Answer<T> {
  readonly value: T
  readonly code?: string
}

/** Sends a call to one instance. Rejects where no answer came; the signal's end included. */
export type Send<T> = (port: number) => Promise<Answer<T>>

interface Load {
  running: number
  errorShare: number
  latencyMs: number
}

/** Weight of the latest call in an instance's averages. */
const LATEST = 0.1
/** A second instance is asked when the first has taken this many times as long as the quickest instance usually does, and at least so long. */
const HEDGE_AFTER = 4
const MIN_HEDGE_MS = 15
/** Of a hundred calls, five may be asked twice. */
const HEDGE_SHARE = 0.05
const MAX_HEDGES = 10
/** Refusals that another attempt may not meet: the service was starting, stopping or full, or what it stands on was being replaced. */
const PASSING = new Set([
  'service-unreachable',
  'stopping',
  'too-many-calls',
  'ledger-unreachable',
  'bus-unreachable',
  'chain-unreachable',
  'market-not-ready',
])

export class Dispatch {
  readonly #options: DispatchOptions
  readonly #breakers = new Map<string, Breaker>()
  readonly #loads = new Map<number, Load>()
  readonly #bulkheads = new Map<string, Bulkhead>()
  readonly #turns = new Map<string, number>()
  readonly #underWay = new Map<string, number>()
  #budget = fullBudget
  #hedges = MAX_HEDGES

  constructor(options: DispatchOptions) {
    this.#options = options
  }

  /** Breakers that are not closed, services with calls under way, and how much of the retry budget is used. */
  state(): {
    observedAt: number
    breakers: { name: string; state: 'open' | 'half-open'; failures: number; retryInMs: number }[]
    bulkheads: Record<string, ReturnType<Bulkhead['state']>>
    retryBudget: { used: number; most: number }
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
      retryBudget: { used: Math.round(MAX_RETRIES - this.#budget.tokens), most: MAX_RETRIES },
      hedges: { left: Math.floor(this.#hedges) },
    }
  }

  /**
   * A read whose service died is held and repeated on its successor, or on another instance, until its deadline; so is a write with an
   * idempotency key. Anything else is sent once: it may have happened. What was not sent yet waits while its service is away. Resolves with what the service said, its errors too.
   * Throws `too-many-calls`, `service-unreachable`, `deadline-exceeded` (retry later); `cancelled`; `ambiguous-outcome` for a spend of which nobody knows.
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

  /** Calls beyond the limit are refused, so that others have room. */
  async #within<T>(what: string, most: number, whose: string, work: () => Promise<T>): Promise<T> {
    const running = this.#underWay.get(what) ?? 0
    if (running >= most)
      throw new KintsugiError('too-many-calls', `${whose} ${running} calls already`, {
        retry: 'later',
        hint: 'others are not affected; try again in a moment',
      })
    this.#underWay.set(what, running + 1)
    try {
      return await work()
    } finally {
      const left = (this.#underWay.get(what) ?? 1) - 1
      if (left === 0) this.#underWay.delete(what)
      else this.#underWay.set(what, left)
    }
  }

  async #call<T>(call: DispatchedCall, send: Send<T>): Promise<T> {
    const { service, signal } = call
    const repeatable = isRepeatable(call)
    const bulkhead = this.#bulkhead(service)
    if (bulkhead.full)
      throw new KintsugiError(
        'too-many-calls',
        `${bulkhead.state().running + bulkhead.state().waiting} calls of ${service} are under way already`,
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
        // A call that its caller ended says nothing about the service.
        if (signal.aborted) bulkhead.gaveUp()
        else bulkhead.answered()
        return settle(outcome)
      }
      // A held read counts as one retry, however often it looks whether the service is back.
      const left =
        repeatable && !signal.aborted ? (attempt === 0 ? spend(this.#budget) : this.#budget) : undefined
      if (!left) {
        bulkhead.gaveUp()
        return settle(
          repeatable && !signal.aborted && outcome instanceof KintsugiError ? withHint(outcome) : outcome,
        )
      }
      this.#budget = left
      const ended = await bulkhead.hold(signal, code === 'too-many-calls' ? 'full' : 'away').then(
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
    if (!this.#admit(service)) throw this.#shut(service)
    const ports = this.#options.portsOf(service)
    if (ports.length === 0)
      throw new KintsugiError('unknown-service', `no service is called ${JSON.stringify(service)} here`)
    const port = this.#instance(service, ports)
    const first = this.#ask(call, port, send)
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
    const second = this.#ask(call, this.#instance(service, other), send)
    // Whichever answers; where both fail, what the first said.
    return Promise.any([first, second]).catch(() => first)
  }

  async #ask<T>(call: DispatchedCall, port: number, send: Send<T>): Promise<Answer<T>> {
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

  /** A tool that fails is left alone, and the service's others are not: its reads wait, outside the bulkhead, for the moment in which one may try. */
  async #toolAdmitted(call: DispatchedCall): Promise<void> {
    const { service, tool, signal } = call
    const name = `${service}__${tool}`
    do {
      if (!isRepeatable(call) || signal.aborted) throw this.#shut(name)
      const wait = retryIn(this.#breakers.get(name) ?? closedBreaker, this.#options.now())
      await sleep(Math.max(BULKHEAD.lookMs, wait), undefined, { signal }).catch(() => undefined)
    } while (!this.#admit(name))
  }

  #admit(name: string): boolean {
    const breaker = this.#breakers.get(name)
    if (!breaker || breaker.state === 'closed') return true
    const admitted = admit(breaker, this.#options.now())
    this.#breakers.set(name, admitted.breaker)
    return admitted.allowed
  }

  #shut(name: string): KintsugiError {
    const wait = Math.ceil(retryIn(this.#breakers.get(name) ?? closedBreaker, this.#options.now()))
    return new KintsugiError(
      'service-unreachable',
      `${name} failed several times in a row and is left alone for ${wait} ms`,
      { retry: 'later' },
    )
  }

  #instance(service: string, ports: readonly number[]): number {
    if (ports.length === 1) return ports[0] as number
    const turn = this.#turns.get(service) ?? 0
    this.#turns.set(service, turn + 1)
    const loads = ports.map((each) => ({ port: each, ...this.#load(each) }))
    return ports[chooseInstance(this.#options.strategyOf(service), loads, turn)] as number
  }

  /** What an outcome says about the service, the tool and the instance. The service's own answer, a refusal too, shows that it lives. */
  #judge({ service, tool, signal }: DispatchedCall, load: Load, code: string | undefined, ms: number): void {
    const away = code === 'service-unreachable'
    const broken = code === 'internal' || code === 'deadline-exceeded'
    load.errorShare += LATEST * ((away || broken ? 1 : 0) - load.errorShare)
    load.latencyMs += LATEST * (ms - load.latencyMs)
    if (signal.aborted && code !== 'deadline-exceeded') return
    this.#count(service, away, SERVICE_BREAKER)
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

/** Services come back within tens of milliseconds: their breaker opens late and looks again soon, so that held reads are not kept waiting. */
const SERVICE_BREAKER = { most: 20, firstMs: 50, mostMs: 1_000 }

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

/** Whether a request cannot have arrived: nobody took the connection. */
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
      `${service} ended while ${tool} was under way: it may have moved value, or not`,
      {
        cause,
        hint: 'it was not repeated; execution_status and the last trades tell what was sent, `kintsugi audit export` whether it began',
      },
    )
  return new KintsugiError('service-unreachable', `${service} did not answer: ${messageOf(cause)}`, {
    retry: 'later',
    cause,
    ...(effect === 'read'
      ? {}
      : { hint: 'the call may or may not have taken effect: look before repeating it' }),
  })
}

function settle<T>(outcome: Answer<T> | KintsugiError): T {
  if (outcome instanceof KintsugiError) throw outcome
  return outcome.value
}

function withHint(error: KintsugiError): KintsugiError {
  return new KintsugiError(error.code, error.message, {
    retry: 'later',
    hint: 'too many calls are being repeated already: this one was not',
    cause: error,
  })
}

export const DEFAULT_BALANCING: Balancing = BALANCING[0]
