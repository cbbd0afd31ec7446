/** A market on a local chain with the executor contract; blocks are mined manually. */
import { encodeFunctionData, keccak256, toHex as textToHex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { type Address, type Pool, virtualReserves } from '../../src/amm/index.ts'
import type { Opportunity } from '../../src/arbitrage/index.ts'
import type { TradingTerms } from '../../src/engine/chains/profile.ts'
import { termsOf } from '../../src/engine/chains/profiles.ts'
import type { MarketReplica } from '../../src/engine/market/replica.ts'
import { Detector } from '../../src/engine/trading/detector.ts'
import { Executor, type ExecutorOptions } from '../../src/engine/trading/executor.ts'
import { LoanBook } from '../../src/engine/trading/loan-book.ts'
import { standingPolicies } from '../../src/engine/trading/policies.ts'
import { encodeExecute, type Intent } from '../../src/intents/index.ts'
import { own } from '../../src/localnet/artifacts.ts'
import { rpc, toHex } from '../../src/localnet/rpc.ts'
import { localSwap } from '../../src/localnet/traders.ts'
import type { Hex } from '../../src/ports/chain.ts'
import type { Sent } from '../../src/ports/messages.ts'
import type { Signer } from '../../src/ports/signer.ts'
import { followMarket, startTestChain, type TestChain } from './local-chain.ts'
import { MemoryLedger } from './memory-ledger.ts'

export const operator = privateKeyToAccount(keccak256(textToHex('a key of the tests')))
export const OPERATOR_ADDRESS = operator.address.toLowerCase() as Address
const identity = privateKeyToAccount(keccak256(textToHex('another key of the tests')))
const TREASURY: Address = '0x00000000000000000000000000000000000000a2'
const trader = privateKeyToAccount(keccak256(textToHex('a trader of the tests')))
export const TRADER_ACCOUNT = trader.address.toLowerCase() as Address

/** Signs at once, or when `slowly` resolves. */
export function testSigner(slowly: () => Promise<void> = async () => undefined): Signer {
  return {
    account: async () => OPERATOR_ADDRESS,
    identify: async (digest) =>
      ({ account: identity.address, signature: await identity.signMessage({ message: digest }) }) as never,
    close: () => undefined,
    sign: async (intent: Intent) => {
      await slowly()
      const { chainId, nonce, gasLimit: gas, maxFeePerGas, maxPriorityFeePerGas } = intent
      const fees = { type: 'eip1559' as const, chainId, nonce, gas, maxFeePerGas, maxPriorityFeePerGas }
      const raw = await operator.signTransaction(
        intent.type === 'execute'
          ? { ...fees, to: intent.executor, data: encodeExecute(intent) }
          : { ...fees, to: OPERATOR_ADDRESS },
      )
      return { raw, hash: keccak256(raw) }
    },
  }
}

export class TradingFloor {
  readonly local: TestChain
  readonly market: MarketReplica
  readonly loans: LoanBook
  readonly detector: Detector

  private constructor(local: TestChain, market: MarketReplica, loans: LoanBook) {
    this.local = local
    this.market = market
    this.loans = loans
    this.detector = new Detector({ market, loans, now: Date.now })
    this.detector.detect({
      head: market.head,
      changed: new Set(market.pools.keys()),
      logs: [],
      receivedAt: Date.now(),
    })
  }

  static async open(): Promise<TradingFloor> {
    const local = await startTestChain(undefined, { operator: OPERATOR_ADDRESS, treasury: TREASURY })
    await rpc(local.url, 'anvil_setBalance', TRADER_ACCOUNT, toHex(10n ** 24n))
    await rpc(local.url, 'evm_mine')
    const market = await followMarket(local)
    const loans = new LoanBook(local.chain, market)
    await loans.start()
    return new TradingFloor(local, market, loans)
  }

  /** A new executor with an empty memory. */
  async executor(options: Partial<Omit<ExecutorOptions, 'events'>> & { terms?: TradingTerms } = {}) {
    const store = new MemoryLedger()
    const seen = {
      sent: [] as Sent[],
      notes: [] as string[],
      violations: [] as string[],
    }
    const { chainId } = this.market.manifest
    const executor = new Executor({
      market: this.market,
      chain: this.local.chain,
      ledger: store.ledger,
      signer: testSigner(),
      halted: () => undefined,
      policies: () => standingPolicies(chainId),
      terms: termsOf(chainId),
      relays: [],
      lease: 1,
      now: Date.now,
      events: {
        onDecision: () => undefined,
        onSent: (sent) => seen.sent.push(sent),
        onTrade: () => undefined,
        onNote: (note) => seen.notes.push(note),
        onIncident: (kind, detail) => seen.violations.push(`${kind}: ${detail}`),
      },
      ...options,
    })
    await executor.start()
    return { executor, store, ...seen }
  }

  /** A trader sells a share of a pool's balance; not mined yet. Returns the transaction's hash. */
  async sell(pool: Address, share: number, tip = 2n * 10n ** 9n): Promise<Hex> {
    const found = this.market.pools.get(pool)
    if (!found) throw new Error(`no pool ${pool}`)
    const [tokenIn, tokenOut] = found.tokens as [Address, Address]
    const amount = BigInt(Math.floor(virtualReserves(found, tokenIn, tokenOut)[0] * share))
    return this.swap(found, tokenIn, tokenOut, amount, tip)
  }

  /** A trader swaps exactly `amount` of `tokenIn`, in its smallest unit; not mined yet. */
  async swap(
    pool: Pool,
    tokenIn: Address,
    tokenOut: Address,
    amount: bigint,
    tip = 2n * 10n ** 9n,
  ): Promise<Hex> {
    const swap = localSwap(pool, { pool: pool.address, tokenIn, tokenOut })
    return this.trade(
      encodeFunctionData({ abi: own('LocalTrader').abi, functionName: 'swap', args: [swap, amount, 0n] }),
      tip,
    )
  }

  /** A competitor executes the cycles of a plan; not mined yet. */
  async take({ cycles }: Pick<Opportunity, 'cycles'>): Promise<void> {
    for (const { legs, amounts } of cycles) {
      const swaps = legs.map((leg) => localSwap(this.market.pools.get(leg.pool) as Pool, leg))
      await this.trade(
        encodeFunctionData({
          abi: own('LocalTrader').abi,
          functionName: 'cycle',
          args: [swaps, amounts[0], 1n],
        }),
        3n * 10n ** 9n,
      )
    }
  }

  /** Sends a transaction signed with a trader's key. */
  async trade(data: Hex, tip: bigint): Promise<Hex> {
    const nonce = await this.local.chain.transactionCount(TRADER_ACCOUNT, 'pending')
    const raw = await trader.signTransaction({
      type: 'eip1559',
      chainId: this.market.manifest.chainId,
      nonce,
      to: this.local.market.trader,
      data,
      gas: 1_500_000n,
      maxFeePerGas: this.market.head.baseFeePerGas * 3n + tip,
      maxPriorityFeePerGas: tip,
    })
    return rpc<Hex>(this.local.url, 'eth_sendRawTransaction', raw)
  }

  /** Mines a block, by `mine` if given, and waits until the replica follows. */
  async mined(mine: () => Promise<unknown> = () => rpc(this.local.url, 'evm_mine')): Promise<void> {
    const before = this.market.head.number
    await mine()
    await this.market.confirm()
    if (this.market.head.number <= before) throw new Error('no block was mined')
  }

  async close(): Promise<void> {
    this.loans.stop()
    this.market.stop()
    await this.local.stop()
  }
}
