/** A source of uniform numbers in [0, 1). */
export type Random = () => number

/**
 * A deterministic generator: the same seed gives the same sequence on every machine. Not for secrets. Source:
 * mulberry32 (T. Ettinger), 32 bits of state.
 */
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

/** A Pareto-distributed number, by inversion: at least `scale`, with tail exponent `alpha`. */
export function pareto(random: Random, scale: number, alpha: number): number {
  return scale / (1 - random()) ** (1 / alpha)
}

/** A standard normal number, by the Box-Muller transform. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
