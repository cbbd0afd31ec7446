/** Initial value and bounds of an adaptive limit. */
export interface LimitRange {
  readonly initial: number
  readonly min: number
  readonly max: number
}

const SHRINK = 0.7

/**
 * A limit that adapts to measurements, such as concurrent calls or items in a batch. Additive increase,
 * multiplicative decrease (Chiu and Jain 1989): it grows by one for each limit's worth of successes, and
 * shrinks by 30 % on overload.
 */
export class AdaptiveLimit {
  readonly #range: LimitRange
  #value: number

  /** Throws RangeError unless 1 <= min <= initial <= max. */
  constructor(range: LimitRange) {
    if (!(range.min >= 1 && range.min <= range.initial && range.initial <= range.max))
      throw new RangeError(`expected 1 <= min <= initial <= max (got ${JSON.stringify(range)})`)
    this.#range = range
    this.#value = range.initial
  }

  /** The current limit, a whole number. */
  get value(): number {
    return Math.floor(this.#value)
  }

  /** Records `by` successes while the limit was reached. */
  grow(by = 1): void {
    this.#value = Math.min(this.#range.max, this.#value + by / this.#value)
  }

  /** Records an overload. */
  shrink(): void {
    this.#value = Math.max(this.#range.min, this.#value * SHRINK)
  }
}
