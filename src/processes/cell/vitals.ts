/** Reports of a cell to the supervisor: the health of its services, and the vitals of its process. */
import { getHeapStatistics } from 'node:v8'
import type { Progress } from '../../fleet/alarms.ts'
import type { ServiceHealth } from '../../fleet/healing/state.ts'
import type { FromChild, ServiceVitals, Vitals } from '../../supervisor/links/protocol.ts'
import type { LoopDelay } from './loop-delay.ts'

/** Call counts of one service since its start. */
export class CallCounts {
  #calls = 0
  #errors = 0
  #durationMs = 0
  #running = 0
  readonly #shed: () => number

  /** `shed`: requests that were answered as overloaded. */
  constructor(shed: () => number = () => 0) {
    this.#shed = shed
  }

  begin(): void {
    this.#running++
  }

  end(ok: boolean, durationMs: number): void {
    this.#running--
    this.#calls++
    this.#durationMs += durationMs
    if (!ok) this.#errors++
  }

  snapshot(): ServiceVitals {
    return {
      calls: this.#calls,
      errors: this.#errors,
      durationMs: this.#durationMs,
      running: this.#running,
      shed: this.#shed(),
    }
  }
}

/** The vitals of this process: bytes, ms, and counts since its start. */
function processVitals(loopDelay: LoopDelay, services: Vitals['services']): Vitals {
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return {
    rss,
    heapUsed,
    heapLimit: getHeapStatistics().heap_size_limit,
    loopDelayMs: loopDelay.maxMs,
    cpuMs: (user + system) / 1_000,
    services,
  }
}

export interface HeartbeatOptions {
  health(): Promise<ServiceHealth[]>
  /** Call counts, by service. */
  calls(): Vitals['services']
  /** The progress of services that report some. */
  progress(): readonly Progress[]
  /** Event-loop delay since the last beat. */
  readonly loopDelay: LoopDelay
  send(message: FromChild): void
}

export class Heartbeat {
  readonly #options: HeartbeatOptions
  #lastHealth = ''

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  /** Sends health and vitals, and starts a new interval of the event-loop delay. */
  async beat(): Promise<void> {
    await this.#send(false)
    this.#options.loopDelay.reset()
  }

  /**
   * Sends health and vitals if the health differs from the last one sent. Resolves with whether every service
   * is ready.
   */
  beatIfChanged(): Promise<boolean> {
    return this.#send(true)
  }

  async #send(changedOnly: boolean): Promise<boolean> {
    const { health, calls, progress, loopDelay, send } = this.#options
    const services = await health()
    const text = JSON.stringify(services)
    const allReady = services.every(({ ready }) => ready)
    if (changedOnly && text === this.#lastHealth) return allReady
    this.#lastHealth = text
    const reports = progress()
    send({
      type: 'heartbeat',
      services,
      vitals: processVitals(loopDelay, calls()),
      ...(reports.length === 0 ? {} : { progress: reports }),
    })
    return allReady
  }
}
