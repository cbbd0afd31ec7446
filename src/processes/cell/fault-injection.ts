/**
 * Faults that chaos injects into a cell from within: a real leak, slow calls, a blocked event loop, a lost
 * bus.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { InternalFault } from '../../supervisor/links/protocol.ts'

const LEAK_EVERY_MS = 100
const BYTES_PER_NUMBER = 8

/** Drops the connections of a process for `ms`. */
export interface Disconnectable {
  disconnect(ms: number): void
}

export class FaultInjector {
  #delayMs = 0
  /** Never released: that makes it a leak. */
  readonly #leaked: unknown[] = []

  /** Starts a fault; it ends by itself after its duration. */
  inject(fault: InternalFault, connections: Disconnectable): void {
    switch (fault.kind) {
      case 'leak':
        this.#leak(fault.bytesPerSecond, fault.seconds)
        break
      case 'slow':
        this.#delayMs = fault.ms
        setTimeout(() => {
          this.#delayMs = 0
        }, fault.seconds * 1_000)
        break
      case 'hang':
        // Blocks the event loop, as an endless loop would.
        setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, fault.ms), 0)
        break
      case 'disconnect':
        connections.disconnect(fault.seconds * 1_000)
    }
  }

  /** Runs `work` after the injected delay; at once without one. */
  async delay<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#delayMs > 0) await sleep(this.#delayMs)
    return work()
  }

  #leak(bytesPerSecond: number, seconds: number): void {
    const endsAt = performance.now() + seconds * 1_000
    const count = Math.round((bytesPerSecond * LEAK_EVERY_MS) / 1_000 / BYTES_PER_NUMBER)
    const timer = setInterval(() => {
      if (performance.now() > endsAt) clearInterval(timer)
      // Floats on the heap, 8 bytes each.
      else this.#leaked.push(Array.from({ length: count }, Math.random))
    }, LEAK_EVERY_MS)
  }
}
