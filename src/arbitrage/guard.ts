/**
 * The guard: every rule that can refuse a trade, in one place. A decision is a pure function of the opportunity, the
 * policies in force and the state of the chain; each rule leaves its numbers behind, whether it passed or not.
 */
import type { LenderKind } from '../flash/index.ts'
import { LOAN_GAS } from '../flash/index.ts'
import type { Cycle, PoolLookup } from '../graph/index.ts'
import { type DataFee, dataFeeOf } from './data-fee.ts'
import { bestBid, bidAt, gasExpectation, type Learned } from './expectation.ts'
import { type Followed, legsIn, type Opportunity } from './opportunity.ts'

/** What every policy carries. Versions only rise; a policy past `expiresAt` (ms since 1970) counts as missing. */
export interface PolicyHead {
  readonly version: number
  readonly issuedBy: string
  readonly expiresAt: number | null
}

export interface GasPolicy extends PolicyHead {
  /** The most of the expected profit that may be bid as priority fee, in hundredths of a percent. */
  readonly bidShareBps: number
  readonly minPriorityFee: bigint
  /** The most a unit of gas may cost in all, in wei. */
  readonly maxFeePerGas: bigint
}

export interface RiskPolicy extends PolicyHead {
  readonly halted: boolean
  /** Least net profit per trade, in native wei. */
  readonly minNetProfit: bigint
  /** Most gas one transaction may burn, in native wei. */
  readonly maxGasCost: bigint
  /** Most transactions in flight at once. */
  readonly maxInFlight: number
  /** The contract reverts below this share of the predicted profit, in hundredths of a percent. */
  readonly leastShareBps: number
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

export interface ChainState {
  readonly now: number
  readonly head: number
  readonly baseFeePerGas: bigint
  readonly operatorBalance: bigint
  readonly inFlight: number
  /** Pools that transactions in flight go through, whose outcome would change ours, with what those promise in native wei. */
  readonly busyPools: ReadonlyMap<string, number>
  /** Native wei per smallest unit of the profit token; undefined where no market prices it. */
  readonly nativeRate: number | undefined
  /** What our earlier trades taught about gas and about winning. */
  readonly learned: Learned
  /** Our own that are not mined yet: what comes after them by nonce cannot stand before them, unless they are raised. */
  readonly tipsInFlight?: readonly { readonly tip: bigint; readonly gas: bigint }[]
  /** What most pending transactions tip that open something: of ours, what pays less stands in the way of what follows them. */
  readonly usualTip?: bigint
  /** On a rollup: what it charges for data. */
  readonly dataFee?: DataFee
  /** Whether a trade that would revert is left out of the block and costs nothing, as private relays do. */
  readonly revertsAreFree?: boolean
}

export interface Rule {
  readonly rule: string
  readonly ok: boolean
  readonly got: string
  readonly needed: string
}

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
    /** All that it costs: gas at the bid, and the data fee. */
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
/** A transaction and a loan, without the swaps. */
export const TRANSACTION_GAS = 95_000
const LEG_GAS = {
  'constant-product': 62_000,
  concentrated: 88_000,
  weighted: 105_000,
  stable: 115_000,
} as const
/** Gas varies with what else happened in the block (first swap of the day, ticks crossed): the limit leaves room. */
const GAS_ROOM = 2
const HIGH_ROOM = 1.3
/** Of the profit: what a tip may cost that only keeps the way open. */
const TIP_SHARE = 0.02
/** As many times what is in flight through the same pool must a gap be worth to count as another. */
const ANOTHER_GAP = 5
/** The price of data may rise before inclusion. */
const DATA_ROOM = 2n

/** The gas of the swaps alone, without the loan and the transaction around them. */
export const gasOfHops = (hops: Cycle, pools: PoolLookup): number =>
  hops.reduce((sum, hop) => sum + LEG_GAS[pools.get(hop.pool)?.kind ?? 'concentrated'], 0)

/** What the route is expected to burn, before a simulation says it better. */
function estimateGas(opportunity: Pick<Opportunity, 'cycles' | 'loan'>): number {
  return (
    TRANSACTION_GAS +
    LOAN_GAS[opportunity.loan.kind] +
    legsIn(opportunity).reduce((sum, leg) => sum + LEG_GAS[leg.kind], 0)
  )
}

/** Judges one opportunity. All rules are evaluated, so that a refusal names every reason and not only the first. */
export function judge(opportunity: Opportunity, policies: Policies, state: ChainState): Decision {
  const rules: Rule[] = []
  const check = (
    rule: string,
    ok: boolean,
    got: string | number | bigint,
    needed: string | number | bigint,
  ) => {
    rules.push({ rule, ok, got: String(got), needed: String(needed) })
    return ok
  }
  const fresh = (name: keyof Policies) => {
    const policy = policies[name]
    const valid = policy !== undefined && (policy.expiresAt === null || policy.expiresAt > state.now)
    check(
      `${name} policy in force`,
      valid,
      policy === undefined ? 'missing' : valid ? `version ${policy.version}` : 'expired',
      'in force',
    )
    return valid ? policy : undefined
  }
  const [gas, risk, lender] = [
    fresh('gas') as GasPolicy | undefined,
    fresh('risk') as RiskPolicy | undefined,
    fresh('lender') as LenderPolicy | undefined,
  ]
  const versions = { gas: gas?.version ?? null, risk: risk?.version ?? null, lender: lender?.version ?? null }
  const gasEstimate = estimateGas(opportunity)
  const priced = check(
    'profit can be valued',
    state.nativeRate !== undefined && state.nativeRate > 0,
    state.nativeRate ?? 'no price',
    'a price in the native token',
  )
  const grossNative = priced
    ? BigInt(Math.floor(Number(opportunity.profit) * (state.nativeRate as number)))
    : 0n
  if (!gas || !risk || !lender) {
    return {
      verdict: 'refuse',
      rules,
      bid: undefined,
      numbers: {
        grossNative,
        gasEstimate,
        gasCost: 0n,
        dataFee: 0n,
        netNative: 0n,
        bidShare: 0,
        chance: 0,
        expectedNative: 0n,
      },
      policies: versions,
    }
  }
  const room = gas.maxFeePerGas - state.baseFeePerGas
  const dataFee = dataFeeOf(state.dataFee, opportunity)
  const question = {
    gross: Number(grossNative),
    gasEstimate,
    baseFee: Number(state.baseFeePerGas),
    minPriority: Number(gas.minPriorityFee),
    mostShare: gas.bidShareBps / Number(BPS),
    dataFee: Number(dataFee),
    revertsAreFree: state.revertsAreFree ?? false,
  }
  const { follows } = opportunity
  // Who follows a transaction bids what that one does, neither more nor less.
  const {
    share: bidShare,
    priority: wanted,
    chance,
    expected,
  } = follows
    ? bidAt(state.learned, question, Number(paidBy(follows, state.baseFeePerGas)))
    : bestBid(state.learned, question)
  const expectation = gasExpectation(state.learned)
  const dataGas =
    state.dataFee?.chargedAs === 'gas' && state.baseFeePerGas > 0n
      ? (dataFee * DATA_ROOM) / state.baseFeePerGas
      : 0n
  const gasLimit = BigInt(Math.ceil(gasEstimate * Math.max(GAS_ROOM, expectation.high * HIGH_ROOM))) + dataGas
  // A bid never asks for more than the caps allow and the operator has: a smaller bid is better than none.
  const byCap = risk.maxGasCost / BigInt(Math.ceil(gasEstimate * expectation.mean)) - state.baseFeePerGas
  const byBalance = state.operatorBalance / gasLimit - 2n * state.baseFeePerGas
  // Where it costs next to nothing, the way for trades behind pending transactions is kept open.
  const { usualTip = 0n } = state
  const open = Number(usualTip) * gasEstimate <= Number(grossNative) * TIP_SHARE ? usualTip : 0n
  const bounded = max(
    min(max(max(BigInt(wanted), open), gas.minPriorityFee), min(room, min(byCap, byBalance))),
    min(gas.minPriorityFee, max(room, 0n)),
  )
  const priority = follows ? paidBy(follows, state.baseFeePerGas) : bounded
  const gasCost =
    BigInt(Math.ceil(gasEstimate * expectation.mean)) * (state.baseFeePerGas + priority) + dataFee
  const expectedNative = BigInt(Math.floor(expected))
  const netNative = grossNative - gasCost
  check('trading not halted', !risk.halted, risk.halted ? 'halted' : 'running', 'running')
  check(
    'lender allowed',
    lender.allowed.includes(opportunity.loan.kind),
    opportunity.loan.kind,
    lender.allowed.join(', '),
  )
  check(
    'opportunity is fresh',
    state.head - opportunity.block <= risk.maxAgeBlocks,
    `${state.head - opportunity.block} blocks old`,
    `at most ${risk.maxAgeBlocks}`,
  )
  check(
    'transactions in flight',
    state.inFlight < risk.maxInFlight,
    state.inFlight,
    `fewer than ${risk.maxInFlight}`,
  )
  const busy = legsIn(opportunity).find((leg) => {
    const promised = state.busyPools.get(leg.pool)
    // What a pending transaction opens is another gap than ours in flight, where it is so much larger.
    return promised !== undefined && !(follows && Number(grossNative) >= promised * ANOTHER_GAP)
  })
  check('no pool is already in flight', busy === undefined, busy?.pool ?? 'none', 'none')
  check(
    'base fee below the ceiling',
    room >= gas.minPriorityFee,
    state.baseFeePerGas,
    `at most ${gas.maxFeePerGas - gas.minPriorityFee}`,
  )
  check('net profit', netNative >= risk.minNetProfit, netNative, `at least ${risk.minNetProfit}`)
  check(
    'expected profit',
    expectedNative >= risk.minNetProfit,
    expectedNative,
    `at least ${risk.minNetProfit}, with a chance of ${chance.toFixed(2)} to be first`,
  )
  check('gas within its cap', gasCost <= risk.maxGasCost, gasCost, `at most ${risk.maxGasCost}`)
  // Twice the base fee survives the steepest rise over the few blocks in which this may be included.
  const maxFeePerGas = min(
    follows ? follows.maxFeePerGas : state.baseFeePerGas * 2n + priority,
    gas.maxFeePerGas,
  )
  if (follows) {
    const raising = (state.tipsInFlight ?? []).reduce(
      (sum, { tip, gas: limit }) => (tip < priority ? sum + limit * (priority - tip) : sum),
      0n,
    )
    const most = BigInt(Math.max(0, Math.floor(Number(grossNative) * TIP_SHARE)))
    check(
      'can stand right behind what it follows',
      raising <= most,
      `${raising} wei to raise ours in flight to its tip`,
      `at most ${most}`,
    )
  }
  const needed = gasLimit * maxFeePerGas + (state.dataFee?.chargedAs === 'sum' ? dataFee : 0n)
  check(
    'operator can pay the gas',
    state.operatorBalance >= needed,
    state.operatorBalance,
    `at least ${needed}`,
  )
  const ok = rules.every((rule) => rule.ok)
  const minProfit = max((opportunity.profit * BigInt(risk.leastShareBps)) / BPS, 1n)
  return {
    verdict: ok ? 'trade' : 'refuse',
    rules,
    bid: ok
      ? {
          gasLimit,
          maxFeePerGas,
          maxPriorityFeePerGas: min(follows ? follows.maxPriorityFeePerGas : priority, maxFeePerGas),
          minProfit,
        }
      : undefined,
    numbers: { grossNative, gasEstimate, gasCost, dataFee, netNative, bidShare, chance, expectedNative },
    policies: versions,
  }
}

/** What a transaction pays the block's maker per gas. */
const paidBy = ({ maxFeePerGas, maxPriorityFeePerGas }: Followed, baseFee: bigint): bigint =>
  max(0n, min(maxPriorityFeePerGas, maxFeePerGas - baseFee))

const min = (a: bigint, b: bigint) => (a < b ? a : b)
const max = (a: bigint, b: bigint) => (a > b ? a : b)
