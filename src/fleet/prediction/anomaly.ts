/**
 * What is normal for a series (a service's latency, its errors, a process's loop delay), and when it has left it: a one-sided CUSUM on
 * standardised values (Page 1954) sees a small lasting change that a threshold does not, and forgets a single peak.
 */
import { median } from './leak.ts'

export interface CusumPolicy {
  /** Readings from which the normal is learned. */
  readonly learn: number
  /** The change that is let pass, and the sum that alarms, in standard deviations. */
  readonly slack: number
  readonly alarm: number
  /** A single reading counts for at most this much. */
  readonly most: number
  /** The normal follows slow changes with this weight, while all is well. */
  readonly follow: number
}

const NORMAL: CusumPolicy = { learn: 120, slack: 1, alarm: 30, most: 8, follow: 0.002 }

/** Scales the median absolute deviation to a standard deviation. */
const MAD_TO_SD = 1.4826
/** Nothing is so regular that less than this share of its mean is a deviation. */
const MIN_SPREAD = 0.1

export interface Departure {
  /** The learned normal, and how far the latest reading is from it. */
  readonly normal: number
  readonly value: number
  readonly deviations: number
}

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

  /** Says so once when the series has left its normal. Values from 0 up; judged by their logarithm, since times and counts are skewed. */
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
    this.#sum = Math.max(0, before + Math.min(policy.most, deviations) - policy.slack)
    if (this.#sum === 0 || deviations < policy.slack) this.#mean += policy.follow * (value - this.#mean)
    return before <= policy.alarm && this.#sum > policy.alarm
      ? { normal: this.normal, value: reading, deviations }
      : undefined
  }

  /** Whether it is away from its normal now. */
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
