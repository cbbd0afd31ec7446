/** Calls to services that fail now and then: instances to choose from, breakers, bulkheads, and repeating what may be repeated. */
import { setTimeout as sleep } from 'node:timers/promises'
import { BALANCING, type Balancing, chooseInstance } from '../../engine/balancing.ts'
import { admit, type Breaker, closedBreaker, earn, failed, fullBudget, MOST_RETRIES, retryIn, spend, succeeded } from '../../fleet/breaker.ts'
import type { Effect } from '../../mcp/define.ts'
import { type ErrorReport, KintsugiError, messageOf } from '../../std/errors.ts'

export interface DispatchOptions {
  /** Ports at which a service answers now, its own first. */
  portsOf(service: string): readonly number[]
  strategyOf(service: string): Balancing
  /** Calls of one service that may be under way at once. */
  mostPerService: number
  now(): number
}

export interface DispatchedCall {
  readonly service: string
  readonly tool: string
  readonly effect: Effect
  readonly arguments: Record<string, unknown>
  readonly headers: Record<string, string>
  /** Ends with the caller, or at the deadline. */
  readonly signal: AbortSignal
}

interface Load {
  running: number
  errorShare: number
  latencyMs: number
}

/** Weight of the latest call in an instance's averages. */
const LATEST = 0.1
/** While a service is being replaced its reads are held and tried again this often, within their deadline. */
const RETRY_EVERY_MS = 25
/** Refusals that another attempt may not meet: the service was starting, stopping or full, or what it stands on was being replaced. */
const PASSING = new Set(['service-unreachable', 'stopping', 'too-many-calls', 'ledger-unreachable', 'bus-unreachable', 'chain-unreachable', 'market-not-ready'])

export class Dispatch {
  readonly #options: DispatchOptions
  readonly #breakers = new Map<string, Breaker>()
  readonly #loads = new Map<number, Load>()
  readonly #running = new Map<string, number>()
  readonly #turns = new Map<string, number>()
  #budget = fullBudget

  constructor(options: DispatchOptions) {
    this.#options = options
  }

  /** Breakers that are not closed, and how much of the retry budget is used. */
  state(): { observedAt: number; breakers: { name: string; state: 'open' | 'half-open'; failures: number; retryInMs: number }[]; retryBudget: { used: number; most: number } } {
    const now = this.#options.now()
    const breakers = [...this.#breakers].flatMap(([name, breaker]) =>
      breaker.state === 'closed' ? [] : [{ name, state: breaker.state, failures: breaker.times, retryInMs: Math.round(retryIn(breaker, now)) }],
    )
    return { observedAt: now, breakers, retryBudget: { used: Math.round(MOST_RETRIES - this.#budget.tokens), most: MOST_RETRIES } }
  }

  /**
   * A read whose service died is held and repeated on its successor, or on another instance, until its deadline. Anything else is sent once:
   * it may have happened. Errors: what the tool answers; `too-many-calls`, `service-unreachable` (retry later).
   */
  async call(call: DispatchedCall): Promise<Record<string, unknown>> {
    const { service } = call
    const running = this.#running.get(service) ?? 0
    if (running >= this.#options.mostPerService)
      throw new KintsugiError('too-many-calls', `${running} calls of ${service} are under way already`, {
        retry: 'later',
        hint: 'other services are not affected; try again in a moment',
      })
    this.#running.set(service, running + 1)
    this.#budget = earn(this.#budget)
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          return await this.#attempt(call)
        } catch (error) {
          const again = call.effect === 'read' && !call.signal.aborted && isPassing(error)
          const left = again ? (attempt === 0 ? spend(this.#budget) : this.#budget) : undefined
          // A held read waits as one retry, however often it looks whether the service is back.
          if (!left) throw again ? withHint(error) : error
          this.#budget = left
          await sleep(attempt === 0 ? 2 : RETRY_EVERY_MS, undefined, { signal: call.signal }).catch(() => undefined)
          if (call.signal.aborted) throw error
        }
      }
    } finally {
      this.#running.set(service, (this.#running.get(service) ?? 1) - 1)
    }
  }

  async #attempt(call: DispatchedCall): Promise<Record<string, unknown>> {
    const { service, tool } = call
    const names = [service, `${service}__${tool}`]
    const now = this.#options.now()
    const admitted = names.map((name) => ({ name, ...admit(this.#breakers.get(name) ?? closedBreaker, now) }))
    const shut = admitted.find(({ allowed }) => !allowed)
    if (shut)
      throw new KintsugiError('service-unreachable', `${shut.name} failed several times in a row and is left alone for ${Math.ceil(retryIn(shut.breaker, now))} ms`, {
        retry: 'later',
      })
    for (const { name, breaker } of admitted) this.#breakers.set(name, breaker)
    const ports = this.#options.portsOf(service)
    if (ports.length === 0) throw new KintsugiError('unknown-service', `no service is called ${JSON.stringify(service)} here`)
    const turn = this.#turns.get(service) ?? 0
    this.#turns.set(service, turn + 1)
    const port = ports[
      chooseInstance(
        this.#options.strategyOf(service),
        ports.map((each) => ({ port: each, ...this.#load(each) })),
        turn,
      )
    ] as number
    const load = this.#load(port)
    load.running++
    const started = performance.now()
    try {
      const result = await this.#send(port, call)
      this.#outcome(load, true, performance.now() - started)
      for (const name of names) this.#breakers.set(name, succeeded(this.#breakers.get(name) ?? closedBreaker))
      return result
    } catch (error) {
      const gone = error instanceof KintsugiError && error.code === 'service-unreachable'
      const broken = error instanceof KintsugiError && (error.code === 'internal' || error.code === 'deadline-exceeded')
      this.#outcome(load, !gone && !broken, performance.now() - started)
      // The service's own answer, a refusal too, shows that it lives.
      if (!call.signal.aborted) {
        this.#breakers.set(service, gone ? failed(this.#breakers.get(service) ?? closedBreaker, this.#options.now(), SERVICE_BREAKER) : closedBreaker)
        const name = `${service}__${tool}`
        this.#breakers.set(name, broken ? failed(this.#breakers.get(name) ?? closedBreaker, this.#options.now()) : closedBreaker)
      }
      throw error
    } finally {
      load.running--
    }
  }

  async #send(port: number, { service, tool, arguments: given, headers, signal, effect }: DispatchedCall): Promise<Record<string, unknown>> {
    let body: { result?: Record<string, unknown>; error?: ErrorReport }
    try {
      const response = await fetch(`http://127.0.0.1:${port}/query`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ ...given, type: tool }),
        signal,
      })
      body = (await response.json()) as typeof body
    } catch (error) {
      if (signal.aborted) {
        const late = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
        throw late
          ? new KintsugiError('deadline-exceeded', `${service} did not answer ${tool} in time`, { retry: 'later', cause: error })
          : new KintsugiError('cancelled', `the call of ${service} was cancelled`, { cause: error })
      }
      throw new KintsugiError('service-unreachable', `${service} did not answer: ${messageOf(error)}`, {
        retry: 'later',
        cause: error,
        ...(effect === 'read' ? {} : { hint: 'the call may or may not have taken effect: look before repeating it' }),
      })
    }
    if (body.error) throw new KintsugiError(body.error.code, body.error.message, body.error)
    return body.result ?? {}
  }

  #load(port: number): Load {
    let load = this.#loads.get(port)
    if (!load) {
      load = { running: 0, errorShare: 0, latencyMs: 0 }
      this.#loads.set(port, load)
    }
    return load
  }

  #outcome(load: Load, ok: boolean, ms: number): void {
    load.errorShare += LATEST * ((ok ? 0 : 1) - load.errorShare)
    load.latencyMs += LATEST * (ms - load.latencyMs)
  }
}

/** Services come back within tens of milliseconds: their breaker opens late and looks again soon, so that held reads are not kept waiting. */
const SERVICE_BREAKER = { most: 20, firstMs: 50, mostMs: 1_000 }

function isPassing(error: unknown): boolean {
  return error instanceof KintsugiError && PASSING.has(error.code)
}

function withHint(error: unknown): unknown {
  if (!(error instanceof KintsugiError)) return error
  return new KintsugiError(error.code, error.message, { retry: 'later', hint: 'too many calls are being repeated already: this one was not', cause: error })
}

export const DEFAULT_BALANCING: Balancing = BALANCING[0]
