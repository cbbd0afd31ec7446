/** The halt of trading, in memory. */
import type { Halt, TradingHalt } from '../../src/ports/halt.ts'
import { KintsugiError } from '../../src/std/errors.ts'

export class MemoryHalt implements TradingHalt {
  readonly #now: () => number
  #current: Halt | undefined

  constructor(now: () => number) {
    this.#now = now
  }

  current(): Halt | undefined {
    return this.#current
  }

  halt(by: string, reason: string): Halt {
    this.#current ??= { by, at: this.#now(), reason }
    return this.#current
  }

  resume(at: number): Halt {
    const halt = this.#current
    if (halt?.at !== at) throw new KintsugiError('conflict', 'trading is not halted, or by another halt')
    this.#current = undefined
    return halt
  }
}
