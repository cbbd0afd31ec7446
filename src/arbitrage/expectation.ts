/**
 * Real cost and success rate of trades, learned from our own receipts: gas as a distribution around the
 * estimate, and the chance of being first as a function of the share of the profit that is bid.
 */

/** One final transaction of ours. */
export interface Experience {
  /** Gas used, as a ratio of what was estimated. */
  readonly gasRatio: number
  /** Share of the expected profit that was bid as priority fee, 0 to 1. */
  readonly bidShare: number
  /** Predicted profit before gas, in native wei: large ones attract more rivals. */
  readonly gross: number
  /** Whether it was first: mined, and nothing had moved its pools. */
  readonly won: boolean
}

/** The last experiences, newest last. */
export type Learned = readonly Experience[]

const KEPT = 400
/** The weight of a trade halves with every this many later trades. */
const FADING = 100
/** Logarithm of how much larger or smaller a trade must be to count e times less. */
const LIKENESS = 0.7
/** The prior: this many imagined wins, and losses that fade as the bid rises. */
const PRIOR_WINS = 4
const PRIOR_LOSSES = 1
/** Prior of the gas: around the estimate, and a little less for a revert. */
const PRIOR_GAS = { won: [0.8, 0.9, 1, 1.1, 1.3], lost: [0.4, 0.7, 0.9] }
/** Shares of the profit that are considered for a bid. */
const SHARES: readonly number[] = [
  0, 0.001, 0.003, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8,
]

export function learn(learned: Learned, experience: Experience): Learned {
  return [...learned.slice(-(KEPT - 1)), experience]
}

/**
 * The chance that a bid of `share` for a trade of `gross` native wei wins; trades of similar size have the
 * greatest weight. It rises with the share: a trade that won with less would have won with this, and one that
 * lost with more would have lost with this.
 */
export function chanceOf(learned: Learned, share: number, gross: number): number {
  return chanceWith(learned, weightsFor(learned, gross), share)
}

/**
 * The weight of each experience for a trade of `gross` native wei: recent trades of similar size count most.
 */
function weightsFor(learned: Learned, gross: number): Float64Array {
  const weights = new Float64Array(learned.length)
  for (let i = 0; i < weights.length; i++) {
    const ratio = (gross + 1) / ((learned[i] as Experience).gross + 1)
    weights[i] =
      0.5 ** ((weights.length - 1 - i) / FADING) *
      (ratio > 1 ? ratio ** (-1 / LIKENESS) : ratio ** (1 / LIKENESS))
  }
  return weights
}

function chanceWith(learned: Learned, weights: Float64Array, share: number): number {
  let wins = PRIOR_WINS
  let losses = PRIOR_LOSSES * (1 - share)
  for (let i = 0; i < weights.length; i++) {
    const { won, bidShare } = learned[i] as Experience
    if (won && bidShare <= share + 1e-9) wins += weights[i] as number
    if (!won && bidShare >= share - 1e-9) losses += weights[i] as number
  }
  return wins / (wins + losses)
}

export interface GasExpectation {
  /** Ratios to the estimate: the mean of successful trades, their highest 1 %, the mean of reverted ones. */
  readonly mean: number
  readonly high: number
  readonly reverted: number
}

export function gasExpectation(learned: Learned): GasExpectation {
  let expectation = expectations.get(learned)
  if (!expectation) expectations.set(learned, (expectation = expectedGas(learned)))
  return expectation
}

/** Cache: requested for every opportunity, unchanged until the next receipt. */
const expectations = new WeakMap<Learned, GasExpectation>()

function expectedGas(learned: Learned): GasExpectation {
  const of = (won: boolean, prior: readonly number[]) => [
    ...prior,
    ...learned.filter((experience) => experience.won === won).map((experience) => experience.gasRatio),
  ]
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const won = of(true, PRIOR_GAS.won).sort((a, b) => a - b)
  return {
    mean: mean(won),
    high: won[Math.min(won.length - 1, Math.floor(won.length * 0.99))] as number,
    reverted: mean(of(false, PRIOR_GAS.lost)),
  }
}

export interface BidQuestion {
  /** Profit before gas, in native wei. */
  readonly gross: number
  readonly gasEstimate: number
  readonly baseFee: number
  readonly minPriority: number
  /** Maximum bid, as a share of the profit. */
  readonly maxShare: number
  /** Data fee of a rollup in wei, due whether the trade succeeds or reverts. */
  readonly dataFee?: number
  readonly revertsAreFree?: boolean
}

export interface BidAnswer {
  readonly share: number
  /** Priority fee per gas, in wei. */
  readonly priority: number
  readonly chance: number
  /** In native wei, with the cost of a revert. */
  readonly expected: number
}

/** The bid with the greatest expected profit. */
export function bestBid(learned: Learned, question: BidQuestion): BidAnswer {
  const { gross, gasEstimate, minPriority, maxShare } = question
  const gas = gasExpectation(learned)
  const weights = weightsFor(learned, gross)
  const answers = SHARES.filter((share) => share <= maxShare || share === 0).map((share) =>
    worthOf(
      gas,
      chanceWith(learned, weights, share),
      question,
      share,
      Math.max(minPriority, Math.floor((gross * share) / gasEstimate)),
    ),
  )
  return answers.reduce((best, answer) => (answer.expected > best.expected ? answer : best))
}

/** The value of a bid of `priority` wei per gas. */
export function bidAt(learned: Learned, question: BidQuestion, priority: number): BidAnswer {
  const share = question.gross > 0 ? Math.min(1, (priority * question.gasEstimate) / question.gross) : 0
  return worthOf(gasExpectation(learned), chanceOf(learned, share, question.gross), question, share, priority)
}

function worthOf(
  gas: GasExpectation,
  chance: number,
  { gross, gasEstimate, baseFee, dataFee = 0, revertsAreFree }: BidQuestion,
  share: number,
  priority: number,
): BidAnswer {
  const price = baseFee + priority
  const won = gross - gasEstimate * gas.mean * price - dataFee
  const lost = revertsAreFree ? 0 : gasEstimate * gas.reverted * price + dataFee
  return { share, priority, chance, expected: chance * won - (1 - chance) * lost }
}
