import { beforeEach, describe, expect, test } from 'vitest'
import { MemoryLedger } from '../../../test/support/memory-ledger.ts'
import type { Address } from '../../amm/index.ts'
import type { Opportunity } from '../../arbitrage/index.ts'
import type { Chain, Head, Hex, Log, Receipt, Simulation } from '../../ports/chain.ts'
import type { DecisionRecord, Trade } from '../../ports/ledger.ts'
import type { Sent } from '../../ports/messages.ts'
import type { Signer } from '../../ports/signer.ts'
import { KintsugiError } from '../../std/errors.ts'
import { PaperTrades } from '../paper/journal.ts'
import { RecordedMarket } from '../paper/recording.ts'
import { Executor, type ExecutorOptions } from './executor.ts'
import { standingPolicies } from './policies.ts'

const address = (digit: string): Address => `0x${digit.repeat(40)}`
const hash = (digit: string): Hex => `0x${digit.repeat(64)}`
const [TOKEN, OTHER, EXECUTOR, TREASURY, OPERATOR] = ['a', 'b', 'c', 'd', 'e'].map(address) as [
  Address,
  Address,
  Address,
  Address,
  Address,
]
const E18 = 10n ** 18n
const TRANSFER: Hex = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const word = (account: Address): Hex => `0x${'0'.repeat(24)}${account.slice(2)}`
const head = (number: number): Head => ({
  number,
  hash: hash((number % 10).toString()),
  parentHash: hash('0'),
  timestamp: 1_000 + number,
  baseFeePerGas: 10n ** 9n,
})
const market = new RecordedMarket({
  schema: 'market-recording/1',
  manifest: {
    chainId: 31_337,
    genesis: hash('f'),
    genesisBlock: 0,
    network: 'local',
    nativeSymbol: 'A',
    wrappedNative: TOKEN,
    numeraire: TOKEN,
    tokens: [TOKEN, OTHER].map((token) => ({ address: token, symbol: token.slice(-1), decimals: 18 })),
    pools: [],
    exchanges: [],
    discoveredAt: 0,
    startTokens: [TOKEN],
    multicall: '0x0',
    execution: { executor: EXECUTOR, operator: OPERATOR, treasury: TREASURY },
  },
  head: head(10),
  pools: [],
  offers: [],
})
const opportunity = (id: string, pools: readonly string[] = ['1', '2']): Opportunity => ({
  id,
  block: 10,
  blockHash: head(10).hash,
  token: TOKEN,
  cycles: [
    {
      legs: pools.map((digit, index) => ({
        pool: address(digit),
        kind: 'constant-product',
        dex: 'd',
        tokenIn: index % 2 === 0 ? TOKEN : OTHER,
        tokenOut: index % 2 === 0 ? OTHER : TOKEN,
        venue: 'pair',
        target: address(digit),
        feeBps: 30,
      })),
      amounts: [E18, E18, 2n * E18],
    },
  ],
  loan: {
    kind: 'balancer-v2',
    lender: address('9'),
    token: TOKEN,
    available: 100n * E18,
    rate: 0n,
    isToken0: false,
  },
  borrowed: E18,
  premium: 0n,
  profit: E18,
})
const detection = (opportunities: readonly Opportunity[], block = 10) => ({
  genesis: hash('f'),
  block,
  blockHash: head(block).hash,
  blockTime: 1_010,
  receivedAt: 0,
  foundAt: 0,
  changedPools: 2,
  searchedCycles: 2,
  totalCycles: 2,
  opportunities,
  more: 0,
})
const earning = (profit: bigint): Simulation => ({
  succeeded: true,
  gasUsed: 200_000n,
  logs: [
    {
      address: TOKEN,
      topics: [TRANSFER, word(EXECUTOR), word(TREASURY)],
      data: `0x${profit.toString(16).padStart(64, '0')}`,
    } as unknown as Log,
  ],
})

/** A node, a signer and a ledger that the test controls. */
let simulation: () => Promise<Simulation>
let halted: string | undefined
let sign: () => Promise<void>
let receipts: Map<Hex, Receipt>
let requests: { receipts: Hex[]; sent: Hex[] }
let store: MemoryLedger
let seen: { decisions: DecisionRecord[]; sent: Sent[]; trades: Trade[]; notes: string[] }
beforeEach(() => {
  simulation = async () => earning(E18)
  sign = async () => undefined
  receipts = new Map()
  requests = { receipts: [], sent: [] }
  halted = undefined
  store = new MemoryLedger()
  seen = { decisions: [], sent: [], trades: [], notes: [] }
})
const chain = {
  block: async (tag: number | string) => head(typeof tag === 'number' ? tag : 10),
  balance: async () => 1_000n * E18,
  transactionCount: async () => 5,
  simulate: async () => [await simulation()],
  send: async (raw: Hex) => {
    requests.sent.push(raw)
    return raw
  },
  receipt: async (wanted: Hex) => {
    requests.receipts.push(wanted)
    return receipts.get(wanted)
  },
  logs: async () => [],
} as unknown as Chain
const signer = {
  account: async () => OPERATOR,
  sign: async ({ nonce }: { nonce: number }) => {
    await sign()
    return { raw: `0x0${nonce}`, hash: hash(String(nonce)) }
  },
} as unknown as Signer

async function started(options: Partial<ExecutorOptions> = {}): Promise<Executor> {
  const executor = new Executor({
    market,
    chain,
    ledger: store.ledger,
    signer,
    policies: () => standingPolicies(31_337, halted !== undefined),
    halted: () => halted,
    terms: {
      submission: { kind: 'public' },
      gas: { kind: 'auction', minPriorityFee: 1n },
      finality: { tag: 'finalized', depthWithoutTag: 64 },
      maxGasCost: E18,
      maxFeePerGas: 10n ** 12n,
    },
    relays: [],
    lease: 1,
    now: () => 1,
    events: {
      onDecision: (record) => seen.decisions.push(record),
      onSent: (sent) => seen.sent.push(sent),
      onTrade: (trade) => seen.trades.push(trade),
      onNote: (note) => seen.notes.push(note),
      onIncident: (_kind, detail) => seen.notes.push(detail),
    },
    ...options,
  })
  await executor.start()
  return executor
}
const ended = () => seen.decisions.map(({ id, decision, outcome }) => [id, decision.verdict, outcome])

describe('a decision ends at the stage that it does not pass', () => {
  test('rules: the reason has the numbers of each failed rule, and nothing is simulated', async () => {
    simulation = () => Promise.reject(new Error('must not be called'))
    const executor = await started({
      policies: () => ({
        ...standingPolicies(31_337),
        lender: { version: 1, issuedBy: 't', expiresAt: null, allowed: [] },
      }),
    })
    await executor.onDetection(detection([opportunity('opp_1')]))
    expect(ended()).toEqual([
      ['opp_1', 'refuse', { stage: 'rules', reason: 'lender allowed (got balancer-v2, needed )' }],
    ])
  })

  test('simulation: unprofitable, with its profit and the required one', async () => {
    simulation = async () => earning(7n)
    const executor = await started()
    await executor.onDetection(detection([opportunity('opp_1')]))
    // A tenth of the profit is the least that the policy lets through.
    expect(ended()).toEqual([
      ['opp_1', 'refuse', { stage: 'simulation', reason: `unprofitable (profit 7, needed ${E18 / 10n})` }],
    ])
    expect(seen.decisions[0]?.simulation).toEqual({ succeeded: true, gasUsed: 200_000n, profit: 7n })
    expect(seen.decisions[0]?.decision.rules.every(({ ok }) => ok)).toBe(true)
    expect([requests.sent, executor.open]).toEqual([[], 0])
  })

  test('simulation: a revert with its reason, a node that does not answer', async () => {
    const executor = await started()
    simulation = async () => ({ succeeded: false, gasUsed: 1n, logs: [], error: 'UniswapV2: K' })
    await executor.onDetection(detection([opportunity('opp_1')]))
    simulation = () => Promise.reject(new KintsugiError('chain-unreachable', 'no answer'))
    await executor.onDetection(detection([opportunity('opp_2')]))
    expect(ended()).toEqual([
      ['opp_1', 'refuse', { stage: 'simulation', reason: 'reverts: UniswapV2: K' }],
      ['opp_2', 'refuse', { stage: 'simulation', reason: 'not simulated: no answer' }],
    ])
    expect(requests.sent).toEqual([])
  })

  test('signing: the rule that the signer names', async () => {
    sign = () => Promise.reject(new KintsugiError('signer-refused', 'over the daily cap'))
    const executor = await started()
    await executor.onDetection(detection([opportunity('opp_1')]))
    expect(ended()).toEqual([['opp_1', 'refuse', { stage: 'signing', reason: 'over the daily cap' }]])
    expect(requests.sent).toEqual([])
  })

  test('recording: a transaction that the ledger refused is never sent', async () => {
    store.ledger.recordAttempt = () => Promise.reject(new KintsugiError('ledger-unreachable', 'no ledger'))
    const executor = await started()
    await executor.onDetection(detection([opportunity('opp_1')]))
    expect(ended()).toEqual([['opp_1', 'refuse', { stage: 'recording', reason: 'no ledger' }]])
    expect([requests.sent, executor.open]).toEqual([[], 0])
  })

  test('sending: the node is unreachable', async () => {
    const executor = await started({
      chain: { ...chain, send: () => Promise.reject(new Error('socket closed')) },
    })
    await executor.onDetection(detection([opportunity('opp_1')]))
    expect(ended()).toEqual([['opp_1', 'refuse', { stage: 'sending', reason: 'socket closed' }]])
  })

  test('sent: the verdict is a trade, and the ledger has it', async () => {
    const executor = await started()
    await executor.onDetection(detection([opportunity('opp_1')]))
    expect(ended()).toEqual([['opp_1', 'trade', { stage: 'sent', reason: '' }]])
    expect([requests.sent, seen.sent.map(({ decisionId }) => decisionId)]).toEqual([['0x05'], ['opp_1']])
    expect(store.decisions.get('opp_1')?.outcome.stage).toBe('sent')
    expect(store.transactions.get(5)?.attempts.length).toBe(1)
  })

  test('while trading pauses a request is refused until later, and a dry run is judged', async () => {
    const executor = await started({ paused: () => 'trading pauses' })
    await expect(executor.request(opportunity('opp_1'), false)).rejects.toMatchObject({
      code: 'overloaded',
      retry: 'later',
      message: 'trading pauses',
    })
    expect(requests.sent).toEqual([])
    expect((await executor.request(opportunity('opp_2'), true)).record.outcome.stage).toBe('dry-run')
  })

  test('a request of a block that the chain does not have is refused by name', async () => {
    const executor = await started()
    for (const block of [1_000_000, -1])
      await expect(executor.request({ ...opportunity('opp_1'), block }, true)).rejects.toThrow(
        new RegExp(`^opportunity\\.block: expected a block of the chain, from 0 to \\d+ \\(got ${block}\\)$`),
      )
    expect(ended()).toEqual([])
  })

  test('a dry run ends after the simulation', async () => {
    const executor = await started()
    const { record, hash: sent } = await executor.request(opportunity('opp_1'), true)
    expect([record.outcome.stage, record.decision.verdict, record.simulation?.profit, sent]).toEqual([
      'dry-run',
      'refuse',
      E18,
      undefined,
    ])
    expect(requests.sent).toEqual([])
  })

  test('while trading pauses nothing is simulated or sent, and the decision says why', async () => {
    let paused: string | undefined = 'the machine is overloaded'
    const executor = await started({ paused: () => paused })
    await executor.onDetection(detection([opportunity('opp_1')]))
    expect(ended()).toEqual([['opp_1', 'refuse', { stage: 'paused', reason: 'the machine is overloaded' }]])
    expect(requests.sent).toEqual([])
    paused = undefined
    await executor.onDetection(detection([opportunity('opp_2')]))
    expect(ended().at(-1)).toEqual(['opp_2', 'trade', { stage: 'sent', reason: '' }])
  })

  test('on paper it is simulated and kept, and its pools are busy', async () => {
    const paper = new PaperTrades({ market, chain, ledger: store.ledger, now: () => 1 })
    const executor = await started({ paper })
    await executor.onDetection(detection([opportunity('opp_1')]))
    await executor.onDetection(detection([opportunity('opp_2', ['2', '3'])]))
    expect(ended().map(([id, , outcome]) => [id, (outcome as { stage: string }).stage])).toEqual([
      ['opp_1', 'paper'],
      ['opp_2', 'rules'],
    ])
    expect([paper.inFlight, requests.sent]).toEqual([1, []])
  })
})

describe('one clock', () => {
  const sentOnce = async () => {
    const executor = await started()
    await executor.onDetection(detection([opportunity('opp_1')]))
    requests.receipts.length = 0
    return executor
  }

  test('receipts are looked up once per head, by whichever call brings it', async () => {
    const executor = await sentOnce()
    await Promise.all([
      executor.onHead(head(11)),
      executor.onDetection(detection([opportunity('opp_2', ['3', '4'])], 11)),
      executor.onHead(head(11)),
    ])
    expect(requests.receipts).toEqual([hash('5')])
    await executor.onHead(head(10))
    expect(requests.receipts).toEqual([hash('5')])
    await executor.onHead({ ...head(11), hash: hash('e') })
    expect(requests.receipts).toEqual([hash('5'), hash('5'), hash('6')])
  })

  test('a look-up that failed is made again at the same head', async () => {
    const executor = await sentOnce()
    const { receipt } = chain
    chain.receipt = () => Promise.reject(new KintsugiError('chain-unreachable', 'no answer'))
    await expect(executor.onHead(head(11))).rejects.toThrow('no answer')
    chain.receipt = receipt
    await executor.onHead(head(11))
    expect(requests.receipts).toEqual([hash('5')])
  })

  test('pools are busy until the trade is mined, and it is booked once by overlapping heads', async () => {
    const executor = await sentOnce()
    await executor.onDetection(detection([opportunity('opp_2', ['2', '3'])]))
    expect(seen.decisions.at(-1)?.outcome.reason).toMatch(/^no pool is already in flight/)
    receipts.set(hash('5'), {
      transactionHash: hash('5'),
      succeeded: true,
      blockNumber: 10,
      blockHash: head(10).hash,
      transactionIndex: 0,
      gasUsed: 200_000n,
      effectiveGasPrice: 10n ** 9n,
      dataFee: 0n,
      logs: earning(E18).logs,
    })
    await Promise.all([executor.onHead(head(11)), executor.onHead(head(12)), executor.onHead(head(13))])
    expect(
      seen.trades.map(({ decisionId, outcome, realisedProfit }) => [decisionId, outcome, realisedProfit]),
    ).toEqual([['opp_1', 'as-predicted', E18]])
    expect([store.booked.length, executor.open]).toEqual([1, 0])
  })

  test('two of one detection that share a pool: the second is refused', async () => {
    const executor = await started()
    await executor.onDetection(detection([opportunity('opp_1'), opportunity('opp_2', ['2', '3'])]))
    expect(seen.sent.map(({ decisionId }) => decisionId)).toEqual(['opp_1'])
    expect(ended().map(([id, verdict]) => [id, verdict])).toEqual([
      ['opp_1', 'trade'],
      ['opp_2', 'refuse'],
    ])
  })
})

describe('while trading is halted', () => {
  const HALTED = 'halted by ada at 2026-11-24T14:06:02Z: maintenance'

  test('the rules refuse, and nothing is simulated or signed', async () => {
    simulation = () => Promise.reject(new Error('must not be called'))
    halted = HALTED
    const executor = await started()
    await executor.onDetection(detection([opportunity('opp_1')]))
    expect(ended()).toEqual([
      ['opp_1', 'refuse', { stage: 'rules', reason: 'trading not halted (got halted, needed running)' }],
    ])
    expect(requests.sent).toEqual([])
  })

  test.each([
    ['before it is signed', 'signing'],
    ['while it is simulated', 'sending'],
  ] as const)('a trade that was decided %s is not sent', async (_name, stage) => {
    const simulated = Promise.withResolvers<Simulation>()
    simulation = () => {
      if (stage === 'signing') halted = HALTED
      return simulated.promise
    }
    const executor = await started()
    const executing = executor.request(opportunity('opp_1'), false)
    await expect.poll(() => (stage === 'signing' ? halted : executor.open > 0)).toBeTruthy()
    halted = HALTED
    simulated.resolve(earning(E18))
    expect((await executing).record.outcome).toEqual({ stage, reason: HALTED })
    expect([seen.sent, requests.sent, executor.busy]).toEqual([[], [], false])
    // Its nonce is free for the next trade.
    halted = undefined
    simulation = async () => earning(E18)
    await executor.request(opportunity('opp_2', ['8', '9']), false)
    expect(seen.sent.map(({ decisionId }) => decisionId)).toEqual(['opp_2'])
  })
})

describe('an executor that hands over to its successor', () => {
  test('is busy until what it has begun is over; once it is closed, nothing is sent any more', async () => {
    const simulated = Promise.withResolvers<Simulation>()
    simulation = () => simulated.promise
    const executor = await started()
    executor.drain()
    expect(executor.busy).toBe(false)
    const executing = executor.request(opportunity('opp_1'), false)
    await expect.poll(() => executor.busy).toBe(true)
    executor.close()
    simulated.resolve(earning(E18))
    const { hash: sentHash, record } = await executing
    expect([sentHash, record.outcome]).toEqual([
      undefined,
      { stage: 'sending', reason: 'this executor has handed over to its successor' },
    ])
    expect([seen.sent, requests.sent, executor.busy]).toEqual([[], [], false])
  })

  test('signs nothing once it is closed', async () => {
    const executor = await started()
    executor.close()
    expect((await executor.request(opportunity('opp_1'), false)).record.outcome).toEqual({
      stage: 'signing',
      reason: 'this executor has handed over to its successor',
    })
    expect([seen.sent, requests.sent]).toEqual([[], []])
  })
})
