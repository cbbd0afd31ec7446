/**
 * A limit that follows what is measured: calls at once, items in a batch. It grows by one for each limit's worth of good answers while it
 * is reached, and shrinks by a third when it hurts (additive increase, multiplicative decrease: Chiu and Jain 1989).
 */
export interface LimitRange {
  readonly first: number
  readonly least: number
  readonly most: number
}

const SHRINK = 0.7

export class AdaptiveLimit {
  readonly #range: LimitRange
  #value: number

  /** Throws RangeError unless 1 <= least <= first <= most. */
  constructor(range: LimitRange) {
    if (!(range.least >= 1 && range.least <= range.first && range.first <= range.most))
      throw new RangeError(`expected 1 <= least <= first <= most (got ${JSON.stringify(range)})`)
    this.#range = range
    this.#value = range.first
  }

  get value(): number {
    return Math.floor(this.#value)
  }

  /** It was reached, and all was well. `by`: how many good answers that was. */
  grow(by = 1): void {
    this.#value = Math.min(this.#range.most, this.#value + by / this.#value)
  }

  /** It was too much. */
  shrink(): void {
    this.#value = Math.max(this.#range.least, this.#value * SHRINK)
  }
}
