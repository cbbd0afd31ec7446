/**
 * Cycles as Moebius maps. A constant-product swap, and a concentrated one within one liquidity range, maps x
 * to (a x + b) / (c x + d); a route is the product of such maps, and the profit f(x) - x is maximal where
 * f'(x) = 1.
 */
import {
  type ConcentratedPool,
  type ConstantProductPool,
  knownRange,
  lastTickIndexAtOrBelow,
  sqrtRatioAtTick,
  swapFeePips,
} from '../amm/index.ts'

/** x -> (a x + b) / (c x + d), valid for inputs in [from, to], amounts in smallest units as floats. */
export interface Piece {
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
  readonly from: number
  readonly to: number
}

/**
 * The pieces of a pool in the direction of a swap, ascending, computed on demand; undefined beyond the last.
 */
export interface PieceReader {
  piece(index: number): Piece | undefined
}

/** The pieces of a pool that sells its first token (`zeroForOne`) or its second. */
export function pieceReader(pool: ConstantProductPool | ConcentratedPool, zeroForOne: boolean): PieceReader {
  if (pool.kind === 'concentrated') return concentratedPieces(pool, zeroForOne)
  const [reserveIn, reserveOut] = zeroForOne ? pool.reserves : [pool.reserves[1], pool.reserves[0]]
  const keep = 1 - pool.feeBps / 10_000
  const piece: Piece = {
    a: keep * Number(reserveOut),
    b: 0,
    c: keep,
    d: Number(reserveIn),
    from: 0,
    to: Number.POSITIVE_INFINITY,
  }
  return { piece: (index) => (index === 0 ? piece : undefined) }
}

function concentratedPieces(pool: ConcentratedPool, zeroForOne: boolean): PieceReader {
  const pieces: Piece[] = []
  const keep = 1 - swapFeePips(pool, zeroForOne) / 1_000_000
  const toRoot = (value: bigint) => Number(value) / 2 ** 96
  let root = toRoot(pool.sqrtPriceX96)
  let liquidity = Number(pool.liquidity)
  let paid = 0
  let received = 0
  let index = pool.ticks ? lastTickIndexAtOrBelow(pool.ticks, pool.tick) + (zeroForOne ? 0 : 1) : 0
  let ended = false
  const extend = () => {
    let boundaryTick: number | undefined
    let net = 0
    if (pool.ticks) {
      const entry = pool.ticks[index]
      if (entry) [boundaryTick, net] = [entry[0], Number(entry[1])]
    } else if (pieces.length === 0) {
      boundaryTick = knownRange(pool)[zeroForOne ? 0 : 1]
    }
    if (boundaryTick === undefined) {
      ended = true
      return
    }
    const boundary = toRoot(sqrtRatioAtTick(boundaryTick))
    if (liquidity > 0) {
      // Virtual reserves at the current price; the swap adds `keep * x` to one and takes from the other.
      const [reserveIn, reserveOut] = zeroForOne
        ? [liquidity / root, liquidity * root]
        : [liquidity * root, liquidity / root]
      const netIn = zeroForOne ? liquidity * (1 / boundary - 1 / root) : liquidity * (boundary - root)
      const netOut = zeroForOne ? liquidity * (root - boundary) : liquidity * (1 / root - 1 / boundary)
      const to = paid + netIn / keep
      // out = received + keep (x - paid) reserveOut / (reserveIn + keep (x - paid))
      const c = keep
      const d = reserveIn - keep * paid
      pieces.push({
        a: received * c + keep * reserveOut,
        b: received * d - keep * reserveOut * paid,
        c,
        d,
        from: paid,
        to,
      })
      paid = to
      received += netOut
    } else {
      ended = true
      return
    }
    root = boundary
    liquidity += zeroForOne ? -net : net
    index += zeroForOne ? -1 : 1
  }
  return {
    piece(wanted) {
      while (!ended && pieces.length <= wanted) extend()
      return pieces[wanted]
    },
  }
}

/**
 * The input of a route that maximises f(x) - cost * x, in the start token's smallest unit, and that profit;
 * `undefined` if no input is profitable. `cost`: units of output that a unit of input costs, 1 plus a loan's
 * premium as a fraction.
 */
export function bestInput(
  readers: readonly PieceReader[],
  cost = 1,
): { amountIn: number; profit: number } | undefined {
  const at: number[] = readers.map(() => 0)
  let from = 0
  // Each turn finds the maximum of the current pieces or moves one pool to its next piece; profit is concave,
  // so the loop ends.
  for (let turn = 0; turn < 2_000; turn++) {
    let a = 1
    let b = 0
    let c = 0
    let d = 1
    let to = Number.POSITIVE_INFINITY
    let binding = -1
    for (let i = 0; i < readers.length; i++) {
      const piece = (readers[i] as PieceReader).piece(at[i] as number)
      if (!piece) return undefined
      // The route's input at which this pool reaches the end of its piece: the inverse of the map up to here.
      const end =
        piece.to === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : invert(a, b, c, d, piece.to)
      if (end < to) {
        to = end
        binding = i
      }
      ;[a, b, c, d] = [
        piece.a * a + piece.b * c,
        piece.a * b + piece.b * d,
        piece.c * a + piece.d * c,
        piece.c * b + piece.d * d,
      ]
      // Only ratios matter; scaling keeps the numbers in range.
      const scale = 1 / Math.max(Math.abs(a), Math.abs(b), Math.abs(c), Math.abs(d))
      a *= scale
      b *= scale
      c *= scale
      d *= scale
    }
    const determinant = a * d - b * c
    if (!(determinant > 0)) return undefined
    const optimum = (Math.sqrt(determinant / cost) - d) / c
    if (turn === 0 && !(optimum > 0)) return undefined
    if (optimum <= to || binding < 0) {
      const amountIn = Math.max(optimum, from)
      const profit = (a * amountIn + b) / (c * amountIn + d) - cost * amountIn
      return profit > 0 ? { amountIn, profit } : undefined
    }
    const next = (at[binding] as number) + 1
    if (!(readers[binding] as PieceReader).piece(next)) {
      const amountIn = to * (1 - 1e-9)
      const profit = (a * amountIn + b) / (c * amountIn + d) - cost * amountIn
      return profit > 0 ? { amountIn, profit } : undefined
    }
    at[binding] = next
    from = to
  }
  return undefined
}

/** The x with (a x + b) / (c x + d) = y; infinity if the map does not reach y. */
function invert(a: number, b: number, c: number, d: number, y: number): number {
  const denominator = a - c * y
  return denominator <= 0 ? Number.POSITIVE_INFINITY : (y * d - b) / denominator
}
