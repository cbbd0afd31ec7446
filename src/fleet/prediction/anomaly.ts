/**
 * Anomaly detection for a series (latency, errors, loop delay): a one-sided CUSUM on standardised values
 * (Page 1954). It detects a small lasting change that a threshold misses, and ignores a single peak.
 */
import { median } from './leak.ts'

/** The parameters of a detector. */
export interface CusumPolicy {
  /** The number of readings from which the normal is learned. */
  readonly learn: number
  /** The change that is tolerated, and the sum that raises an alarm, in standard deviations. */
  readonly slack: number
  readonly alarm: number
  /** The most that a single reading counts, in standard deviations. */
  readonly maxDeviations: number
  /** The weight with which the normal follows slow changes, while there is no alarm. */
  readonly follow: number
}

const NORMAL: CusumPolicy = { learn: 120, slack: 1, alarm: 30, maxDeviations: 8, follow: 0.002 }

/** Scales the median absolute deviation to a standard deviation. */
const MAD_TO_SD = 1.4826
/** The minimum of the standard deviation, as a share of the mean. */
const MIN_SPREAD = 0.1

/** A reading outside the normal range. */
export interface Departure {
  /**
   * The learned normal value; `deviations` is the distance of the reading from it, in standard deviations.
   */
  readonly normal: number
  readonly value: number
  readonly deviations: number
}

/** Learns the normal of one series and reports when the series leaves it. */
export class CusumDetector {
  readonly #policy: CusumPolicy
  #learning: number[] = []
  #mean = 0
  #spread = 0
  #sum = 0

  constructor(policy: CusumPolicy = NORMAL) {
    this.#policy = policy
  }

  get learned(): boolean {
    return this.#spread > 0
  }

  get normal(): number {
    return Math.expm1(this.#mean)
  }

  /**
   * Adds a reading (0 or more). Returns the departure once when the series leaves its normal. Readings are
   * judged by their logarithm, because times and counts are skewed.
   */
  observe(reading: number): Departure | undefined {
    const policy = this.#policy
    const value = Math.log1p(reading)
    if (!this.learned) {
      this.#learning.push(value)
      if (this.#learning.length === policy.learn) this.#learn()
      return undefined
    }
    const deviations = (value - this.#mean) / this.#spread
    const before = this.#sum
    this.#sum = Math.max(0, before + Math.min(policy.maxDeviations, deviations) - policy.slack)
    if (this.#sum === 0 || deviations < policy.slack) this.#mean += policy.follow * (value - this.#mean)
    return before <= policy.alarm && this.#sum > policy.alarm
      ? { normal: this.normal, value: reading, deviations }
      : undefined
  }

  /** Whether the series is outside its normal range. */
  get away(): boolean {
    return this.#sum > this.#policy.alarm
  }

  forget(): void {
    this.#learning = []
    this.#spread = 0
    this.#sum = 0
  }

  #learn(): void {
    const sorted = [...this.#learning].sort((a, b) => a - b)
    this.#mean = median(sorted)
    const deviations = sorted.map((value) => Math.abs(value - this.#mean)).sort((a, b) => a - b)
    this.#spread = Math.max(median(deviations) * MAD_TO_SD, Math.abs(this.#mean) * MIN_SPREAD, Number.EPSILON)
    this.#learning = []
  }
}
