/** One account that sends transactions on a test chain, without an executor around it. */
import { keccak256 } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { submitterOf } from '../../src/engine/trading/submission.ts'
import { Transactions, type TransactionsOptions } from '../../src/engine/trading/transactions.ts'
import { type ExecuteIntent, encodeExecute, type Intent } from '../../src/intents/index.ts'
import { rpc, toHex } from '../../src/localnet/rpc.ts'
import type { Head, Hex, Receipt } from '../../src/ports/chain.ts'
import type { DecisionRecord } from '../../src/ports/ledger.ts'
import type { Signer } from '../../src/ports/signer.ts'
import type { TestChain } from './local-chain.ts'
import { MemoryLedger } from './memory-ledger.ts'

const account = privateKeyToAccount(keccak256('0x01'))
/** The account that sends. */
export const SENDER = account.address.toLowerCase() as `0x${string}`

/** Signs whatever it is asked to. */
export const lenientSigner: Signer = {
  account: async () => SENDER,
  close: () => undefined,
  identify: () => Promise.reject(new Error('not expected')),
  sign: async (intent: Intent) => {
    const fees = {
      chainId: intent.chainId,
      nonce: intent.nonce,
      gas: intent.gasLimit,
      maxFeePerGas: intent.maxFeePerGas,
      maxPriorityFeePerGas: intent.maxPriorityFeePerGas,
      type: 'eip1559' as const,
    }
    const raw = await account.signTransaction(
      intent.type === 'execute'
        ? { ...fees, to: intent.executor, data: encodeExecute(intent) }
        : { ...fees, to: SENDER },
    )
    return { raw, hash: keccak256(raw) }
  },
}

/** A decision that trades on a pool of its own. */
export const decisionOf = (id: string): DecisionRecord =>
  ({ id, opportunity: { cycles: [{ legs: [{ pool: `0x${id}` }] }] } }) as unknown as DecisionRecord

export const cleared = Promise.resolve(true)

/** What was booked: the receipt, and the decision under which it was. */
export interface Booked {
  readonly receipt: Receipt
  readonly nonce: number
  readonly decisionId: string | undefined
}

/** The processes that send from the account, one after the other, with the ledger that they share. */
export class Sending {
  readonly local: TestChain
  readonly store = new MemoryLedger()
  readonly booked: Booked[] = []
  readonly notes: string[] = []
  readonly troubles: string[] = []

  constructor(local: TestChain) {
    this.local = local
  }

  /** Funds the account. */
  static async fund({ url }: TestChain): Promise<void> {
    await rpc(url, 'anvil_setBalance', SENDER, toHex(10n ** 21n))
  }

  /** A process that sends. */
  make(options: Partial<TransactionsOptions> = {}): Transactions {
    const { manifest } = this.local.market
    return new Transactions({
      chain: this.local.chain,
      ledger: this.store.ledger,
      signer: lenientSigner,
      genesis: manifest.genesis,
      chainId: manifest.chainId,
      account: SENDER,
      lease: 1,
      submitter: submitterOf({ kind: 'public' }, this.local.chain, []),
      finality: { tag: 'finalized', depthWithoutTag: 64 },
      now: Date.now,
      onNote: (note) => this.notes.push(note),
      onTrouble: (kind, detail) => this.troubles.push(`${kind}: ${detail}`),
      onFinal: async ({ transaction, receipt, decision }) => {
        this.booked.push({ receipt, nonce: transaction.nonce, decisionId: decision?.id })
        this.store.settle(transaction.nonce)
      },
      ...options,
    })
  }

  /** A plan that reverts on chain (it has no operator): only its submission is tested. */
  intent(nonce: number, tip = 10n ** 9n): ExecuteIntent {
    const { manifest } = this.local.market
    return {
      type: 'execute',
      chainId: manifest.chainId,
      account: SENDER,
      nonce,
      gasLimit: 100_000n,
      maxFeePerGas: 10n ** 11n + tip,
      maxPriorityFeePerGas: tip,
      lease: 1,
      executor: manifest.execution?.executor as `0x${string}`,
      lender: { kind: 'aave-v3', address: `0x${'a'.repeat(40)}`, isToken0: false },
      token: `0x${'b'.repeat(40)}`,
      amount: 1n,
      minProfit: 1n,
      deadline: 4_000_000_000,
      cycles: [
        {
          amountIn: 1n,
          legs: [0, 1].map(() => ({
            venue: 'pair' as const,
            pool: `0x${'c'.repeat(40)}` as const,
            tokenIn: `0x${'b'.repeat(40)}` as const,
            feeBps: 30,
          })),
        },
      ],
    }
  }

  /** Submits a trade and returns its hash. */
  async submit(transactions: Transactions, id = 'opp_1', tip?: bigint): Promise<Hex> {
    const build = (nonce: number) => this.intent(nonce, tip)
    return (await transactions.submit(build, decisionOf(id), await this.head(), { cleared }))?.hash as Hex
  }

  /** Mines blocks, and lets the process advance to each. */
  async mine(transactions: Transactions, blocks = 1): Promise<Head> {
    let head = await this.head()
    for (let block = 0; block < blocks; block++) {
      await rpc(this.local.url, 'evm_mine')
      head = await this.head()
      await transactions.refresh()
      await transactions.advance(head)
    }
    return head
  }

  head(): Promise<Head> {
    return this.local.chain.block('latest')
  }

  nextNonce(): Promise<number> {
    return this.local.chain.transactionCount(SENDER, 'latest')
  }
}
