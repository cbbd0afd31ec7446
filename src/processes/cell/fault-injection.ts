/** Harm that a cell does to itself when chaos asks for it: what a leak, a slow dependency, a stuck loop look like for real. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Harm } from '../../supervisor/links/protocol.ts'
import type { PortSet } from '../wiring/ports.ts'

const LEAK_EVERY_MS = 100

export class Ailments {
  #slowMs = 0
  /** Held on to for good: that is what a leak is. */
  readonly #leaked: unknown[] = []

  begin(harm: Harm, ports: PortSet): void {
    switch (harm.kind) {
      case 'leak':
        this.#leak(harm.bytesPerSecond, harm.seconds)
        break
      case 'slow':
        this.#slowMs = harm.ms
        setTimeout(() => {
          this.#slowMs = 0
        }, harm.seconds * 1_000)
        break
      case 'hang':
        // The event loop stands still, as in a loop that does not end.
        setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, harm.ms), 0)
        break
      case 'disconnect':
        ports.disconnect(harm.seconds * 1_000)
    }
  }

  async suffer<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#slowMs > 0) await sleep(this.#slowMs)
    return work()
  }

  #leak(bytesPerSecond: number, seconds: number): void {
    const until = performance.now() + seconds * 1_000
    const timer = setInterval(() => {
      if (performance.now() > until) clearInterval(timer)
      // Numbers on the heap, 8 bytes each, which no collection may take.
      else
        this.#leaked.push(
          Array.from({ length: Math.round((bytesPerSecond * LEAK_EVERY_MS) / 8_000) }, Math.random),
        )
    }, LEAK_EVERY_MS)
  }
}
