/**
 * The calls of one service: how many are under way, who waits, and whether the service is away. While it is away one call at a time
 * looks whether it is back, so that a thousand held calls cost no more than one. The width follows what the service takes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { AdaptiveLimit, type LimitRange } from '../../std/adaptive-limit.ts'

export interface BulkheadPolicy {
  /** Calls under way. */
  readonly width: LimitRange
  /** Calls under way and waiting together. */
  readonly most: number
  /** How often a call looks whether a service that is away is back. */
  readonly lookMs: number
}

export const BULKHEAD: BulkheadPolicy = { width: { initial: 10, min: 1, max: 256 }, most: 2_048, lookMs: 25 }

interface Waiting {
  readonly go: () => void
}

export class Bulkhead {
  readonly #policy: BulkheadPolicy
  readonly #width: AdaptiveLimit
  #running = 0
  #away = false
  #looking = false
  /** Calls that were sent already and are held come before those that were not. */
  readonly #held: Waiting[] = []
  readonly #waiting: Waiting[] = []

  constructor(policy: BulkheadPolicy = BULKHEAD) {
    this.#policy = policy
    this.#width = new AdaptiveLimit(policy.width)
  }

  get full(): boolean {
    return this.#running + this.#held.length + this.#waiting.length >= this.#policy.most
  }

  get idle(): boolean {
    return this.#running + this.#held.length + this.#waiting.length === 0
  }

  state(): { running: number; waiting: number; width: number; away: boolean } {
    return {
      running: this.#running,
      waiting: this.#held.length + this.#waiting.length,
      width: this.#width.value,
      away: this.#away,
    }
  }

  /** Resolves when it may be sent; rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<void> {
    if (this.#running < this.#limit() && this.#held.length + this.#waiting.length === 0) {
      this.#running++
      return Promise.resolve()
    }
    return this.#wait(this.#waiting, signal)
  }

  /** It was answered, whatever the answer. */
  answered(): void {
    this.#away = false
    if (this.#waiting.length > 0) this.#width.grow()
    this.#leave()
  }

  /** It was not answered, and is not repeated. */
  gaveUp(): void {
    this.#leave()
  }

  /** The service is away or full: resolves when the call may be sent again; rejects with the signal's reason. */
  async hold(signal: AbortSignal, why: 'away' | 'full'): Promise<void> {
    if (why === 'full') this.#width.shrink()
    this.#away = true
    if (this.#looking) {
      this.#leave()
      return this.#wait(this.#held, signal)
    }
    // It keeps its place and looks again in a moment.
    this.#looking = true
    try {
      await sleep(this.#policy.lookMs, undefined, { signal })
    } catch (error) {
      this.#leave()
      throw error
    } finally {
      this.#looking = false
    }
  }

  #limit(): number {
    return this.#away ? 1 : this.#width.value
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
