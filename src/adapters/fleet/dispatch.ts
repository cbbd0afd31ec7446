/** Calls to services that fail now and then: instances to choose from, breakers, bulkheads, and repeating what may be repeated. */
import { BALANCING, type Balancing, chooseInstance } from '../../engine/balancing.ts'
import { admit, type Breaker, closedBreaker, earn, failed, fullBudget, MOST_RETRIES, retryIn, spend, succeeded } from '../../fleet/breaker.ts'
import type { Effect } from '../../mcp/define.ts'
import { type ErrorReport, KintsugiError, messageOf } from '../../std/errors.ts'
import { Lane, type LanePolicy } from './lane.ts'

export interface DispatchOptions {
  /** Ports at which a service answers now, its own first. */
  portsOf(service: string): readonly number[]
  strategyOf(service: string): Balancing
  lane?: LanePolicy
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
/** Refusals that another attempt may not meet: the service was starting, stopping or full, or what it stands on was being replaced. */
const PASSING = new Set(['service-unreachable', 'stopping', 'too-many-calls', 'ledger-unreachable', 'bus-unreachable', 'chain-unreachable', 'market-not-ready'])

export class Dispatch {
  readonly #options: DispatchOptions
  readonly #breakers = new Map<string, Breaker>()
  readonly #loads = new Map<number, Load>()
  readonly #lanes = new Map<string, Lane>()
  readonly #turns = new Map<string, number>()
  #budget = fullBudget

  constructor(options: DispatchOptions) {
    this.#options = options
  }

  /** Breakers that are not closed, services with calls under way, and how much of the retry budget is used. */
  state(): {
    observedAt: number
    breakers: { name: string; state: 'open' | 'half-open'; failures: number; retryInMs: number }[]
    lanes: Record<string, ReturnType<Lane['state']>>
    retryBudget: { used: number; most: number }
  } {
    const now = this.#options.now()
    const breakers = [...this.#breakers].flatMap(([name, breaker]) =>
      breaker.state === 'closed' ? [] : [{ name, state: breaker.state, failures: breaker.times, retryInMs: Math.round(retryIn(breaker, now)) }],
    )
    const lanes = Object.fromEntries([...this.#lanes].flatMap(([service, lane]) => (lane.idle ? [] : [[service, lane.state()]])))
    return { observedAt: now, breakers, lanes, retryBudget: { used: Math.round(MOST_RETRIES - this.#budget.tokens), most: MOST_RETRIES } }
  }

  /**
   * A read whose service died is held and repeated on its successor, or on another instance, until its deadline. Anything else is sent once:
   * it may have happened. What was not sent yet waits while its service is away. Errors: what the tool answers; `too-many-calls`,
   * `service-unreachable`, `deadline-exceeded` (retry later); `cancelled`.
   */
  async call(call: DispatchedCall): Promise<Record<string, unknown>> {
    const { service, signal } = call
    const lane = this.#lane(service)
    if (lane.full)
      throw new KintsugiError('too-many-calls', `${lane.state().running + lane.state().waiting} calls of ${service} are under way already`, {
        retry: 'later',
        hint: 'other services are not affected; try again in a moment',
      })
    this.#budget = earn(this.#budget)
    await lane.enter(signal).catch((error) => {
      throw ended(call, error)
    })
    for (let attempt = 0; ; attempt++) {
      try {
        const result = await this.#attempt(call)
        lane.answered()
        return result
      } catch (error) {
        if (!isPassing(error)) {
          // A call that its caller ended says nothing about the service.
          if (signal.aborted) lane.gaveUp()
          else lane.answered()
          throw error
        }
        // A held read counts as one retry, however often it looks whether the service is back.
        const left = call.effect === 'read' && !signal.aborted ? (attempt === 0 ? spend(this.#budget) : this.#budget) : undefined
        if (!left) {
          lane.gaveUp()
          throw call.effect === 'read' && !signal.aborted ? withHint(error) : error
        }
        this.#budget = left
        await lane.hold(signal, error.code === 'too-many-calls' ? 'full' : 'away').catch(() => {
          throw error
        })
      }
    }
  }

  #lane(service: string): Lane {
    let lane = this.#lanes.get(service)
    if (!lane) {
      lane = new Lane(this.#options.lane)
      this.#lanes.set(service, lane)
    }
    return lane
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
      if (signal.aborted) throw ended({ service, tool, signal }, error)
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

function ended({ service, tool, signal }: Pick<DispatchedCall, 'service' | 'tool' | 'signal'>, cause: unknown): KintsugiError {
  const late = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
  return late
    ? new KintsugiError('deadline-exceeded', `${service} did not answer ${tool} in time`, { retry: 'later', cause })
    : new KintsugiError('cancelled', `the call of ${service} was cancelled`, { cause })
}

function isPassing(error: unknown): error is KintsugiError {
  return error instanceof KintsugiError && PASSING.has(error.code)
}

function withHint(error: unknown): unknown {
  if (!(error instanceof KintsugiError)) return error
  return new KintsugiError(error.code, error.message, { retry: 'later', hint: 'too many calls are being repeated already: this one was not', cause: error })
}

export const DEFAULT_BALANCING: Balancing = BALANCING[0]
