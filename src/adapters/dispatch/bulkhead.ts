/**
 * A bulkhead for the calls to one service: it limits the calls in flight and queues the others. While the
 * service is unavailable one call at a time probes it, so that a thousand held calls cost no more than one.
 * The width adapts to what the service accepts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { AdaptiveLimit, type LimitRange } from '../../std/adaptive-limit.ts'

/** The limits of a bulkhead. */
export interface BulkheadPolicy {
  /** Maximum of calls in flight. */
  readonly width: LimitRange
  /** Maximum of calls in flight and waiting. */
  readonly maxCalls: number
  /** The interval of probes of an unavailable service. */
  readonly probeMs: number
}

/** The default limits. */
export const BULKHEAD: BulkheadPolicy = {
  width: { initial: 10, min: 1, max: 256 },
  maxCalls: 2_048,
  probeMs: 25,
}

interface Waiting {
  readonly go: () => void
}

/** The calls to one service. */
export class Bulkhead {
  readonly #policy: BulkheadPolicy
  readonly #width: AdaptiveLimit
  #running = 0
  #unavailable = false
  #probing = false
  /** Calls that failed and are held; they come before calls that were not sent yet. */
  readonly #held: Waiting[] = []
  readonly #waiting: Waiting[] = []

  constructor(policy: BulkheadPolicy = BULKHEAD) {
    this.#policy = policy
    this.#width = new AdaptiveLimit(policy.width)
  }

  get full(): boolean {
    return this.#running + this.#held.length + this.#waiting.length >= this.#policy.maxCalls
  }

  get idle(): boolean {
    return this.#running + this.#held.length + this.#waiting.length === 0
  }

  state(): { running: number; waiting: number; width: number; unavailable: boolean } {
    return {
      running: this.#running,
      waiting: this.#held.length + this.#waiting.length,
      width: this.#width.value,
      unavailable: this.#unavailable,
    }
  }

  /** Resolves when a call may be sent; rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<void> {
    if (this.#running < this.#limit() && this.#held.length + this.#waiting.length === 0) {
      this.#running++
      return Promise.resolve()
    }
    return this.#wait(this.#waiting, signal)
  }

  /** A call was answered, by a result or an error. */
  answered(): void {
    this.#unavailable = false
    if (this.#waiting.length > 0) this.#width.grow()
    this.#leave()
  }

  /** A call was not answered and is not repeated. */
  gaveUp(): void {
    this.#leave()
  }

  /**
   * The service is unavailable or full: resolves when the call may be sent again; rejects with the signal's
   * reason.
   */
  async hold(signal: AbortSignal, reason: 'unavailable' | 'full'): Promise<void> {
    if (reason === 'full') this.#width.shrink()
    this.#unavailable = true
    if (this.#probing) {
      this.#leave()
      return this.#wait(this.#held, signal)
    }
    // This call keeps its place and probes the service.
    this.#probing = true
    try {
      await sleep(this.#policy.probeMs, undefined, { signal })
    } catch (error) {
      this.#leave()
      throw error
    } finally {
      this.#probing = false
    }
  }

  #limit(): number {
    return this.#unavailable ? 1 : this.#width.value
  }

  #leave(): void {
    this.#running--
    while (this.#running < this.#limit()) {
      const next = this.#held.shift() ?? this.#waiting.shift()
      if (!next) return
      this.#running++
      next.go()
    }
  }

  #wait(queue: Waiting[], signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const abort = () => {
        const at = queue.indexOf(waiting)
        if (at >= 0) queue.splice(at, 1)
        reject(signal.reason)
      }
      const waiting = {
        go: () => {
          signal.removeEventListener('abort', abort)
          resolve()
        },
      }
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', abort, { once: true })
      queue.push(waiting)
    })
  }
}
