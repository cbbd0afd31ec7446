/**
 * The guard: every rule that can refuse a trade, in one place. A decision is a pure function of the
 * opportunity, the policies in force and the state of the chain. It records every rule with its numbers,
 * passed or not.
 */
import type { LenderKind } from '../flash/index.ts'
import { type DataFee, dataFeeOf } from './data-fee.ts'
import { bestBid, bidAt, gasExpectation, type Learned } from './expectation.ts'
import { gasOf } from './gas.ts'
import { type Followed, legsIn, type Opportunity } from './opportunity.ts'

/**
 * The fields of every policy. Versions only rise; a policy past `expiresAt` (ms since 1970) counts as
 * missing.
 */
export interface PolicyHead {
  readonly version: number
  readonly issuedBy: string
  readonly expiresAt: number | null
}

export interface GasPolicy extends PolicyHead {
  /** Maximum share of the expected profit that may be bid as priority fee. */
  readonly bidShareBps: number
  readonly minPriorityFee: bigint
  /** Maximum price of a unit of gas, base fee included, in wei. */
  readonly maxFeePerGas: bigint
}

export interface RiskPolicy extends PolicyHead {
  readonly halted: boolean
  /** Minimum net profit per trade, in native wei. */
  readonly minNetProfit: bigint
  /** Maximum cost of one transaction's gas, in native wei. */
  readonly maxGasCost: bigint
  /** Maximum transactions in flight at once. */
  readonly maxInFlight: number
  /** The contract reverts below this share of the predicted profit. */
  readonly minShareBps: number
  /** An opportunity older than this many blocks is refused. */
  readonly maxAgeBlocks: number
}

export interface LenderPolicy extends PolicyHead {
  readonly allowed: readonly LenderKind[]
}

export interface Policies {
  readonly gas?: GasPolicy
  readonly risk?: RiskPolicy
  readonly lender?: LenderPolicy
}

/** The state of the chain and of our own transactions. Fees and balances in wei. */
export interface ChainState {
  /** ms since 1970. */
  readonly now: number
  /** Block number. */
  readonly head: number
  readonly baseFeePerGas: bigint
  readonly operatorBalance: bigint
  /** Our transactions that are not mined yet. */
  readonly inFlight: number
  /**
   * Pools that our transactions in flight trade with, each with the profit that its transaction promises in
   * native wei.
   */
  readonly busyPools: ReadonlyMap<string, number>
  /** Native wei per smallest unit of the profit token; undefined if no market prices it. */
  readonly nativeRate: number | undefined
  /** Gas and inclusion of our earlier trades. */
  readonly learned: Learned
  /**
   * Tips (wei per gas) and gas limits of our transactions in flight: a later nonce cannot be mined before
   * them, unless they are raised.
   */
  readonly tipsInFlight?: readonly { readonly tip: bigint; readonly gas: bigint }[]
  /**
   * Tip (wei per gas) of most pending transactions that we follow: one of ours that pays less delays a trade
   * that follows them.
   */
  readonly typicalTip?: bigint
  /** The data fee of a rollup. */
  readonly dataFee?: DataFee
  /** Whether a trade that would revert is left out of the block and costs nothing, as with private relays. */
  readonly revertsAreFree?: boolean
}

/** Unit of the numbers of a rule. `native-rate`: native wei per smallest unit of the profit token. */
export type RuleUnit = 'wei' | 'wei-per-gas' | 'blocks' | 'transactions' | 'native-rate'

/** How a number is compared with its limit: at least, at most, or less than it. */
export type RuleBound = 'min' | 'max' | 'below'

/** One rule as it was evaluated: `got` is the measured value, `needed` the condition on it. */
export interface Rule {
  readonly rule: string
  readonly ok: boolean
  readonly got: string
  readonly needed: string
  /**
   * With a unit, `got` is a number in it. Without one (also in records of earlier versions), `got` and
   * `needed` are text.
   */
  readonly unit?: RuleUnit
  /** With a bound, `needed` is a number in the unit. */
  readonly bound?: RuleBound
  /** Text that follows the limit. */
  readonly note?: string
}

/** Limits of the transaction, in gas and wei per gas. */
export interface Bid {
  readonly gasLimit: bigint
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
  /** On-chain floor of the profit, in the profit token. */
  readonly minProfit: bigint
}

export interface Decision {
  readonly verdict: 'trade' | 'refuse'
  readonly rules: readonly Rule[]
  readonly bid: Bid | undefined
  readonly numbers: {
    readonly grossNative: bigint
    readonly gasEstimate: number
    /** Total cost: gas at the bid, and the data fee. */
    readonly gasCost: bigint
    readonly dataFee: bigint
    readonly netNative: bigint
    readonly bidShare: number
    readonly chance: number
    readonly expectedNative: bigint
  }
  readonly policies: Readonly<Record<string, number | null>>
}

const BPS = 10_000n
/**
 * Gas varies with the rest of the block (first swap of the day, ticks crossed): the limit is at least this
 * many estimates.
 */
const GAS_ROOM = 2
/** The limit is also at least this many times the highest ratio seen. */
const HIGH_ROOM = 1.3
/** Maximum share of the profit that a tip may cost when it only keeps later nonces from waiting. */
const TIP_SHARE = 0.02
/** A gap in a busy pool counts as another one when it is worth this many times the trades in flight there. */
const ANOTHER_GAP = 5
/** Times the data fee that the gas limit covers: it may rise before inclusion. */
const DATA_ROOM = 2n

/**
 * Judges one opportunity. All rules are evaluated, so that a refusal lists every reason and not only the
 * first.
 */
export function judge(opportunity: Opportunity, policies: Policies, state: ChainState): Decision {
  const { rules, gas, risk, lender, versions } = policiesInForce(policies, state.now)
  const { nativeRate } = state
  const priced = nativeRate !== undefined && nativeRate > 0
  rules.push(valuation(priced, nativeRate))
  const gross = priced ? BigInt(Math.floor(Number(opportunity.profit) * nativeRate)) : 0n
  if (!gas || !risk || !lender) {
    const nothing = { gasCost: 0n, dataFee: 0n, netNative: 0n, bidShare: 0, chance: 0, expectedNative: 0n }
    return {
      verdict: 'refuse',
      rules,
      bid: undefined,
      numbers: { grossNative: gross, gasEstimate: gasOf(opportunity), ...nothing },
      policies: versions,
    }
  }
  const offer = offerFor(opportunity, gross, gas, risk, state)
  rules.push(
    ...rulesOnState(opportunity, gross, risk, lender, state),
    ...rulesOnCost(opportunity, offer, gas, risk, state),
  )
  const ok = rules.every((rule) => rule.ok)
  const { gasLimit, maxFeePerGas, priority, numbers } = offer
  const tip = opportunity.follows ? opportunity.follows.maxPriorityFeePerGas : priority
  return {
    verdict: ok ? 'trade' : 'refuse',
    rules,
    bid: ok
      ? {
          gasLimit,
          maxFeePerGas,
          maxPriorityFeePerGas: min(tip, maxFeePerGas),
          minProfit: max((opportunity.profit * BigInt(risk.minShareBps)) / BPS, 1n),
        }
      : undefined,
    numbers,
    policies: versions,
  }
}

/** A rule on a text. */
const check = (rule: string, ok: boolean, got: string, needed: string): Rule => ({ rule, ok, got, needed })

/** Whether the profit has a price, which is then its measured value. */
const valuation = (ok: boolean, rate: number | undefined): Rule => ({
  rule: 'profit can be valued',
  ok,
  got: String(rate ?? 'no price'),
  needed: 'a price in the native token',
  ...(ok && NATIVE_RATE),
})
const NATIVE_RATE = { unit: 'native-rate' } as const

/** A rule on a number. */
const limited = (
  rule: string,
  unit: RuleUnit,
  got: number | bigint,
  bound: RuleBound,
  limit: number | bigint,
  note?: string,
): Rule => ({
  rule,
  ok: bound === 'min' ? got >= limit : bound === 'max' ? got <= limit : got < limit,
  got: String(got),
  needed: String(limit),
  unit,
  bound,
  ...(note === undefined ? undefined : { note }),
})

/** The policies that are neither missing nor expired, with a rule for each. */
function policiesInForce({ gas, risk, lender }: Policies, now: number) {
  const rules: Rule[] = []
  const inForce = <T extends PolicyHead>(name: keyof Policies, policy: T | undefined): T | undefined => {
    const valid = policy !== undefined && (policy.expiresAt === null || policy.expiresAt > now)
    const got = policy === undefined ? 'missing' : valid ? `version ${policy.version}` : 'expired'
    rules.push(check(`${name} policy in force`, valid, got, 'in force'))
    return valid ? policy : undefined
  }
  const valid = { gas: inForce('gas', gas), risk: inForce('risk', risk), lender: inForce('lender', lender) }
  const versions = {
    gas: valid.gas?.version ?? null,
    risk: valid.risk?.version ?? null,
    lender: valid.lender?.version ?? null,
  }
  return { rules, ...valid, versions }
}

interface Offer {
  readonly gasLimit: bigint
  readonly maxFeePerGas: bigint
  /** Wei per gas that the block's maker gets. */
  readonly priority: bigint
  readonly numbers: Decision['numbers']
}

/**
 * The bid with the greatest expected profit within the caps, and the resulting cost and value of the trade.
 */
function offerFor(
  opportunity: Opportunity,
  grossNative: bigint,
  gas: GasPolicy,
  risk: RiskPolicy,
  state: ChainState,
): Offer {
  const { follows } = opportunity
  const gasEstimate = gasOf(opportunity)
  const dataFee = dataFeeOf(state.dataFee, opportunity)
  const question = {
    gross: Number(grossNative),
    gasEstimate,
    baseFee: Number(state.baseFeePerGas),
    minPriority: Number(gas.minPriorityFee),
    maxShare: gas.bidShareBps / Number(BPS),
    dataFee: Number(dataFee),
    revertsAreFree: state.revertsAreFree ?? false,
  }
  // A trade that follows a transaction bids exactly what that one does.
  const { share, priority, chance, expected } = follows
    ? bidAt(state.learned, question, Number(paidBy(follows, state.baseFeePerGas)))
    : bestBid(state.learned, question)
  const expectation = gasExpectation(state.learned)
  const dataGas =
    state.dataFee?.chargedAs === 'gas' && state.baseFeePerGas > 0n
      ? (dataFee * DATA_ROOM) / state.baseFeePerGas
      : 0n
  const gasLimit = BigInt(Math.ceil(gasEstimate * Math.max(GAS_ROOM, expectation.high * HIGH_ROOM))) + dataGas
  const meanGas = BigInt(Math.ceil(gasEstimate * expectation.mean))
  const room = gas.maxFeePerGas - state.baseFeePerGas
  // A bid never exceeds the caps and the operator's balance: a smaller bid is better than none.
  const byCap = risk.maxGasCost / meanGas - state.baseFeePerGas
  const byBalance = state.operatorBalance / gasLimit - 2n * state.baseFeePerGas
  // If it costs almost nothing, the tip is high enough not to delay trades behind pending transactions.
  const { typicalTip = 0n } = state
  const open = Number(typicalTip) * gasEstimate <= Number(grossNative) * TIP_SHARE ? typicalTip : 0n
  const bounded = max(
    min(max(max(BigInt(priority), open), gas.minPriorityFee), min(room, min(byCap, byBalance))),
    min(gas.minPriorityFee, max(room, 0n)),
  )
  const paid = follows ? paidBy(follows, state.baseFeePerGas) : bounded
  const gasCost = meanGas * (state.baseFeePerGas + paid) + dataFee
  return {
    gasLimit,
    // Twice the base fee survives the steepest rise over the few blocks in which this may be included.
    maxFeePerGas: min(follows ? follows.maxFeePerGas : state.baseFeePerGas * 2n + paid, gas.maxFeePerGas),
    priority: paid,
    numbers: {
      grossNative,
      gasEstimate,
      gasCost,
      dataFee,
      netNative: grossNative - gasCost,
      bidShare: share,
      chance,
      expectedNative: BigInt(Math.floor(expected)),
    },
  }
}

/** The rules that do not depend on the bid. */
function rulesOnState(
  opportunity: Opportunity,
  grossNative: bigint,
  risk: RiskPolicy,
  lender: LenderPolicy,
  state: ChainState,
): Rule[] {
  const { kind } = opportunity.loan
  const age = state.head - opportunity.block
  const busy = legsIn(opportunity).find((leg) => {
    const promised = state.busyPools.get(leg.pool)
    // A pending transaction may open another gap in the pool of a trade in flight: it must be worth much
    // more.
    const another = opportunity.follows && Number(grossNative) >= (promised ?? 0) * ANOTHER_GAP
    return promised !== undefined && !another
  })
  return [
    check('trading not halted', !risk.halted, risk.halted ? 'halted' : 'running', 'running'),
    check('lender allowed', lender.allowed.includes(kind), kind, lender.allowed.join(', ')),
    limited('opportunity is fresh', 'blocks', age, 'max', risk.maxAgeBlocks),
    limited('transactions in flight', 'transactions', state.inFlight, 'below', risk.maxInFlight),
    check('no pool is already in flight', busy === undefined, busy?.pool ?? 'none', 'none'),
  ]
}

/** The rules on the cost of the bid and on the remaining profit. */
function rulesOnCost(
  { follows }: Opportunity,
  { priority, gasLimit, maxFeePerGas, numbers }: Offer,
  gas: GasPolicy,
  risk: RiskPolicy,
  state: ChainState,
): Rule[] {
  const { netNative, expectedNative, gasCost, dataFee, grossNative, chance } = numbers
  const ceiling = gas.maxFeePerGas - gas.minPriorityFee
  const note = `with a chance of ${chance.toFixed(2)} to be first`
  const rules: Rule[] = [
    limited('base fee below the ceiling', 'wei-per-gas', state.baseFeePerGas, 'max', ceiling),
    limited('net profit', 'wei', netNative, 'min', risk.minNetProfit),
    limited('expected profit', 'wei', expectedNative, 'min', risk.minNetProfit, note),
    limited('gas within its cap', 'wei', gasCost, 'max', risk.maxGasCost),
  ]
  if (follows) {
    const raising = (state.tipsInFlight ?? []).reduce(
      (sum, { tip, gas: limit }) => (tip < priority ? sum + limit * (priority - tip) : sum),
      0n,
    )
    const maximum = BigInt(Math.max(0, Math.floor(Number(grossNative) * TIP_SHARE)))
    rules.push(limited('follows its pending transaction', 'wei', raising, 'max', maximum))
  }
  const cost = gasLimit * maxFeePerGas + (state.dataFee?.chargedAs === 'sum' ? dataFee : 0n)
  rules.push(limited('operator can pay the gas', 'wei', state.operatorBalance, 'min', cost))
  return rules
}

/** Tip that the block's maker receives, in wei per gas. */
const paidBy = ({ maxFeePerGas, maxPriorityFeePerGas }: Followed, baseFee: bigint): bigint =>
  max(0n, min(maxPriorityFeePerGas, maxFeePerGas - baseFee))

const min = (a: bigint, b: bigint) => (a < b ? a : b)
const max = (a: bigint, b: bigint) => (a > b ? a : b)
