/**
 * A whole system in memory, for the specs of servers and agents: a small real market and everything around
 * it, on one clock.
 */
import { randomUUID } from 'node:crypto'
import type { Address } from '../../../src/amm/index.ts'
import type { Opportunity } from '../../../src/arbitrage/index.ts'
import { findOpportunities } from '../../../src/engine/trading/opportunities.ts'
import type { DecisionRecord, Trade } from '../../../src/ports/ledger.ts'
import type { HostResources, MetricsSource, Sample } from '../../../src/ports/metrics.ts'
import type { Ports } from '../../../src/ports/ports.ts'
import { InMemoryLedger } from '../in-memory-ledger.ts'
import { MemoryBus } from '../memory-bus.ts'
import { MemoryHalt } from '../memory-halt.ts'
import { MemoryRecords } from '../memory-records.ts'
import { SmallChain } from './chain.ts'
import { SmallFleet } from './fleet.ts'
import { BLOCK_SECONDS, SmallLoans, SmallMarket } from './market.ts'
import { SmallOracle } from './oracle.ts'

/** 2026-11-24T08:00:00Z. */
export const START_MS = 1_795_507_200_000

/** Metrics that tests set. */
export class SmallMetrics implements MetricsSource {
  readonly samples = new Map<string, Sample[]>()
  readonly processes = new Map<number, { cpuSeconds: number; residentBytes: number }>()
  resources: HostResources = {
    cpuCount: 2,
    loadAverage: [0.5, 0.4, 0.3],
    memoryTotal: 8_000_000_000,
    memoryAvailable: 5_000_000_000,
    uptimeSeconds: 1_000,
  }

  async scrape(service: string): Promise<readonly Sample[]> {
    return this.samples.get(service) ?? []
  }

  host(): HostResources {
    return this.resources
  }

  process(pid: number) {
    return this.processes.get(pid)
  }
}

const unused = (name: string): never =>
  new Proxy(
    {},
    {
      get: () => {
        throw new Error(`the world has no port "${name}": pass one to the harness`)
      },
    },
  ) as never

export class World {
  time = START_MS
  readonly now = () => this.time
  readonly market = new SmallMarket(this.now)
  readonly loans = new SmallLoans()
  readonly chain = new SmallChain(this.market)
  readonly oracle = new SmallOracle(this.chain, this.market.manifest.aave?.oracle as Address)
  readonly ledger = new InMemoryLedger()
  readonly bus = new MemoryBus()
  readonly fleet = new SmallFleet(this.now)
  readonly metrics = new SmallMetrics()
  readonly records = new MemoryRecords(this.now)
  readonly halt = new MemoryHalt(this.now)

  /** Every port; those that the world does not have throw when they are used. */
  ports(): Ports {
    const { market, loans, chain, ledger, bus, fleet, metrics, records } = this
    return {
      market,
      loans,
      chain,
      ledger,
      bus,
      fleet,
      metrics,
      records,
      halt: this.halt,
      relays: [],
      signer: unused('signer'),
      access: unused('access'),
      audit: unused('audit'),
      connections: unused('connections'),
    }
  }

  /** Lets time pass, in ms. */
  pass(ms: number): void {
    this.time += ms
  }

  /** Makes the next block, `BLOCK_SECONDS` later. */
  mine(...logs: Parameters<SmallMarket['mine']>): ReturnType<SmallMarket['mine']> {
    this.pass(BLOCK_SECONDS * 1_000)
    return this.market.mine(...logs)
  }

  /** The best opportunity of the present block. */
  opportunity(): Opportunity {
    const [best] = findOpportunities(this.market, this.loans, { maxHops: 3, limit: 1 }).found
    if (!best) throw new Error('nothing pays in the small market')
    return best
  }

  /** Records a decision of an opportunity, refused by `refusedBy` where it is given. */
  async decide(change: Partial<DecisionRecord> = {}, refusedBy?: string): Promise<DecisionRecord> {
    const id = change.id ?? `opp_${randomUUID().replaceAll('-', '').slice(0, 20)}`
    const record: DecisionRecord = {
      id,
      genesis: this.market.manifest.genesis,
      opportunity: { ...this.opportunity(), id },
      decision: {
        verdict: refusedBy === undefined ? 'trade' : 'refuse',
        rules: [
          {
            rule: refusedBy ?? 'net profit',
            ok: refusedBy === undefined,
            got: '5',
            needed: '1',
            unit: refusedBy === 'transactions in flight' ? 'transactions' : 'wei',
            bound: 'min',
          },
        ],
        bid: undefined,
        numbers: {
          grossNative: 9n * 10n ** 18n,
          gasEstimate: 200_000,
          gasCost: 10n ** 16n,
          dataFee: 0n,
          netNative: 8n * 10n ** 18n,
          bidShare: 0.1,
          chance: 0.5,
          expectedNative: 4n * 10n ** 18n,
        },
        policies: { gas: 1, risk: 1, lender: 1 },
      },
      outcome:
        refusedBy === undefined
          ? { stage: 'sent', reason: '' }
          : { stage: 'rules', reason: `${refusedBy} (got 5, needed at least 1)` },
      decidedAt: this.time,
      ...change,
    }
    await this.ledger.recordDecisions([record])
    return record
  }

  /** Books a final trade of a decision. */
  async book(decision: DecisionRecord, change: Partial<Trade> = {}): Promise<Trade> {
    const { opportunity } = decision
    const token = this.market.manifest.tokens.find(({ address }) => address === opportunity.token)
    const trade: Trade = {
      genesis: decision.genesis,
      hash: `0x${randomUUID().replaceAll('-', '').padStart(64, '0')}`,
      nonce: 1,
      decisionId: decision.id,
      block: opportunity.block + 1,
      transactionIndex: 0,
      outcome: 'as-predicted',
      token: opportunity.token,
      symbol: token?.symbol ?? '',
      decimals: token?.decimals ?? 18,
      route: 'USDC → WETH → USDC',
      legs: (opportunity.cycles[0]?.legs ?? []).map(({ pool, dex, tokenIn, tokenOut }) => ({
        pool,
        dex,
        tokenIn,
        tokenOut,
      })),
      lender: opportunity.loan.kind,
      amountIn: opportunity.borrowed,
      predictedProfit: opportunity.profit,
      realisedProfit: opportunity.profit,
      profitValue: 100,
      profitNative: 140,
      gasUsed: 200_000n,
      gasPrice: 50n * 10n ** 9n,
      gasCost: 10n ** 16n,
      predictedAtBlock: opportunity.block,
      bookedAt: this.time,
      ...change,
    }
    await this.ledger.book(trade)
    return trade
  }
}
