/**
 * Logarithm, exponential and power of 18-decimal fixed-point numbers, digit for digit as Balancer V2 computes
 * them. Source: v2-solidity-utils LogExpMath and FixedPoint. Solidity's signed division truncates, as
 * `bigint` division does.
 */
import { divRoundingUp } from './full-math.ts'

/** One in 18-decimal fixed point. */
export const ONE = 10n ** 18n
const ONE_20 = 10n ** 20n
const ONE_36 = 10n ** 36n
const MAX_EXPONENT = 130n * ONE
const MIN_EXPONENT = -41n * ONE
/** Distance from one within which the logarithm uses 36 decimals. */
const NEAR_ONE = 10n ** 17n

/** `[x, e^x]`: the two largest with x in 18 decimals and e^x as a plain integer ... */
const LARGE: readonly (readonly [bigint, bigint])[] = [
  [128n * ONE, 38877084059945950922200000000000000000000000000000000000n],
  [64n * ONE, 6235149080811616882910000000n],
]
/** ... the others with both in 20 decimals, from 2^5 down to 2^-4. */
const SMALL: readonly (readonly [bigint, bigint])[] = [
  [3200000000000000000000n, 7896296018268069516100000000000000n],
  [1600000000000000000000n, 888611052050787263676000000n],
  [800000000000000000000n, 298095798704172827474000n],
  [400000000000000000000n, 5459815003314423907810n],
  [200000000000000000000n, 738905609893065022723n],
  [100000000000000000000n, 271828182845904523536n],
  [50000000000000000000n, 164872127070012814685n],
  [25000000000000000000n, 128402541668774148407n],
  [12500000000000000000n, 113314845306682631683n],
  [6250000000000000000n, 106449445891785942956n],
]
/** The exponential stops at 2^-2; only the logarithm continues to 2^-4. */
const EXP_TERMS = 8

/** Product of 18-decimal numbers, rounded down. Source of all four: v2-solidity-utils FixedPoint. */
export const mulDown = (a: bigint, b: bigint): bigint => (a * b) / ONE
/** Product of 18-decimal numbers, rounded up. */
export const mulUp = (a: bigint, b: bigint): bigint => divRoundingUp(a * b, ONE)
/** Quotient of 18-decimal numbers, rounded down. */
export const divDown = (a: bigint, b: bigint): bigint => (a * ONE) / b
/** Quotient of 18-decimal numbers, rounded up. */
export const divUp = (a: bigint, b: bigint): bigint => divRoundingUp(a * ONE, b)

/** e^x for x in [-41, 130]; throws RangeError beyond, where the contract reverts. */
function exp(x: bigint): bigint {
  if (x < MIN_EXPONENT || x > MAX_EXPONENT) throw new RangeError(`exponent ${x}: outside -41..130`)
  if (x < 0n) return (ONE * ONE) / exp(-x)
  let factor = 1n
  const large = LARGE.find(([at]) => x >= at)
  if (large) {
    x -= large[0]
    factor = large[1]
  }
  x *= 100n
  let product = ONE_20
  for (const [at, power] of SMALL.slice(0, EXP_TERMS)) {
    if (x < at) continue
    x -= at
    product = (product * power) / ONE_20
  }
  let sum = ONE_20 + x
  let term = x
  for (let n = 2n; n <= 12n; n++) {
    term = (term * x) / ONE_20 / n
    sum += term
  }
  return (((product * sum) / ONE_20) * factor) / 100n
}

/** 2 atanh(z) by its series, in the unit of `one`. */
function twiceAtanh(z: bigint, one: bigint, terms: bigint): bigint {
  const square = (z * z) / one
  let power = z
  let sum = z
  for (let n = 3n; n <= terms; n += 2n) {
    power = (power * square) / one
    sum += power / n
  }
  return 2n * sum
}

function ln(a: bigint): bigint {
  if (a < ONE) return -ln((ONE * ONE) / a)
  let sum = 0n
  for (const [at, power] of LARGE) {
    if (a < power * ONE) continue
    a /= power
    sum += at
  }
  sum *= 100n
  a *= 100n
  for (const [at, power] of SMALL) {
    if (a < power) continue
    a = (a * ONE_20) / power
    sum += at
  }
  return (sum + twiceAtanh(((a - ONE_20) * ONE_20) / (a + ONE_20), ONE_20, 11n)) / 100n
}

function ln36(x: bigint): bigint {
  const wide = x * ONE
  return twiceAtanh(((wide - ONE_36) * ONE_36) / (wide + ONE_36), ONE_36, 15n)
}

/** x^y in 18 decimals. Throws RangeError if y ln(x) leaves the range of `exp`. */
function pow(x: bigint, y: bigint): bigint {
  if (y === 0n) return ONE
  if (x === 0n) return 0n
  let product: bigint
  if (x > ONE - NEAR_ONE && x < ONE + NEAR_ONE) {
    const log = ln36(x)
    product = (log / ONE) * y + ((log % ONE) * y) / ONE
  } else {
    product = ln(x) * y
  }
  return exp(product / ONE)
}

/**
 * x^y in 18 decimals, never below the true value. `shortcuts`: later contracts compute the powers 1, 2 and 4
 * by multiplication. Throws RangeError where the contract reverts. Source: FixedPoint.powUp.
 */
export function powUp(x: bigint, y: bigint, shortcuts: boolean): bigint {
  if (shortcuts) {
    if (y === ONE) return x
    if (y === 2n * ONE) return mulUp(x, x)
    if (y === 4n * ONE) {
      const square = mulUp(x, x)
      return mulUp(square, square)
    }
  }
  const raw = pow(x, y)
  return raw + mulUp(raw, 10_000n) + 1n
}
