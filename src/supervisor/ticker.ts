/** A timer for the earliest of the times at which something is due. */

/** The clock, and the receiver of ticks. */
export interface TickerOptions {
  /** ms of the monotonic clock. */
  now(): number
  /** `lateMs`: how late the tick is. */
  onTick(lateMs: number): void
}

/** Ticks once, at the earliest requested time. */
export class Ticker {
  readonly #options: TickerOptions
  #timer: NodeJS.Timeout | undefined
  #dueAt = 0

  constructor(options: TickerOptions) {
    this.#options = options
  }

  /** Ticks at `at`, unless a tick is due before. */
  at(at: number): void {
    if (this.#timer && at >= this.#dueAt) return
    clearTimeout(this.#timer)
    const { now, onTick } = this.#options
    const present = now()
    this.#dueAt = Math.max(at, present)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      onTick(Math.max(0, now() - this.#dueAt))
    }, this.#dueAt - present)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
