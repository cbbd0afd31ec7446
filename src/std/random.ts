/** A seeded generator of uniform numbers in [0, 1): the same seed gives the same sequence everywhere. Not for secrets. */
export type Random = () => number

/** mulberry32: 32 bits of state, ample for tests, traders and jitter. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A Pareto-distributed number: at least `scale`, with tail exponent `alpha`. */
export function pareto(random: Random, scale: number, alpha: number): number {
  return scale / (1 - random()) ** (1 / alpha)
}

/** A standard normal number (Box-Muller). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
