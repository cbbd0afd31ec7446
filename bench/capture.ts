/**
 * Captured share of the market's value, for us and for competitors, on a local market with seeded traders.
 * node bench/capture.ts [minutes, default 10] [competitors, default 2] [seed, default 20261122]
 *
 * Accounting in the native token: after each block the market has an optimum, net of the gas of its plan. The
 * optimum after the next block plus the value taken in between differs from it by the value that orders
 * opened or closed. Each gap is counted once: offered = first optimum + opened = ours + theirs + closed by
 * others + still open. Value opened in the last block does not count.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { JsonRpcChain } from '../src/adapters/chain/json-rpc.ts'
import type { Address } from '../src/amm/index.ts'
import { transferred } from '../src/engine/books/booking.ts'
import { readBatch } from '../src/engine/market/pool-reader.ts'
import { MarketReplica } from '../src/engine/market/replica.ts'
import { Detector, type Optimum } from '../src/engine/trading/detector.ts'
import { own } from '../src/localnet/artifacts.ts'
import { rpc } from '../src/localnet/rpc.ts'
import { competitorAccount } from '../src/localnet/traders.ts'
import type { Hex, Log } from '../src/ports/chain.ts'
import type { MarketManifest } from '../src/ports/manifest.ts'
import type { MarketChange } from '../src/ports/market.ts'
import { Fleet } from '../test/support/fleet.ts'

const [minutes = 10, competitors = 2, seed = 20_261_122] = process.argv.slice(2).map(Number)
const BLOCK_SECONDS = 2
const OFFSET = 10_000
const fleet = new Fleet(OFFSET, [
  '--seed',
  String(seed),
  '--competitors',
  String(competitors),
  '--block-seconds',
  String(BLOCK_SECONDS),
])

interface RawReceipt {
  from: Address
  to: Address | null
  status: Hex
  gasUsed: Hex
  effectiveGasPrice: Hex
  logs: { address: Address; topics: Hex[]; data: Hex }[]
}

interface BlockBooks {
  block: number
  optimum: Optimum
  ours: number
  /**
   * Value that competitors took from the pools, and what they paid; a bid is due even if the gap shrank
   * meanwhile.
   */
  theirs: number
  theirGas: number
  /** Gas cost of our reverted transactions. */
  burned: number
  sent: number
  reverted: number
}

const books: BlockBooks[] = []
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'

try {
  await fleet.start()
  const { manifest, trader } = JSON.parse(readFileSync(join(fleet.data, 'chain.json.local'), 'utf8')) as {
    manifest: MarketManifest
    trader: Address
  }
  const url = `http://127.0.0.1:${8545 + OFFSET}`
  const chain = new JsonRpcChain({ url: `ws://127.0.0.1:${8545 + OFFSET}` })
  const market = new MarketReplica({
    chain,
    manifest,
    readerCode: own('MarketReader').deployedBytecode,
    batch: readBatch(100),
    now: Date.now,
  })
  await market.start()
  const detector = new Detector({ market, loans: { offers: () => [] }, now: Date.now })
  const execution = manifest.execution as NonNullable<MarketManifest['execution']>
  const rivals = Array.from({ length: competitors }, (_, index) => competitorAccount(index))
  const everything: MarketChange = {
    head: market.head,
    changed: new Set(market.pools.keys()),
    logs: [],
    receivedAt: Date.now(),
  }
  detector.detect(everything)
  let work: Promise<void> = Promise.resolve()
  const begin = Date.now()
  market.subscribe((change) => {
    work = work.then(() => onBlock(change)).catch((error) => console.error(error))
  })

  async function onBlock(change: MarketChange): Promise<void> {
    const receipts = await rpc<RawReceipt[]>(
      url,
      'eth_getBlockReceipts',
      `0x${change.head.number.toString(16)}`,
    )
    const prices = market.prices()
    const native = prices.get(manifest.wrappedNative)?.rate ?? 1
    const value = (token: Address, amount: bigint) =>
      (Number(amount) * (prices.get(token)?.rate ?? 0)) / native
    const flow = (receipt: RawReceipt, from: Address, to: Address) =>
      manifest.tokens.reduce(
        (sum, { address }) =>
          sum + value(address, transferred(receipt.logs as unknown as Log[], address, from, to)),
        0,
      )
    const entry: BlockBooks = {
      block: change.head.number,
      optimum: { block: 0, upperBound: 0, planned: 0, plannedNet: 0, cycles: 0, best: 0 },
      ours: 0,
      theirs: 0,
      theirGas: 0,
      burned: 0,
      sent: 0,
      reverted: 0,
    }
    for (const receipt of receipts) {
      const gas = Number(BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice))
      const succeeded = receipt.status === '0x1'
      if (receipt.from === execution.operator) {
        entry.sent++
        if (!succeeded) {
          entry.reverted++
          entry.burned += gas
        } else entry.ours += flow(receipt, execution.executor, execution.treasury) - gas
      } else if (rivals.includes(receipt.from) && succeeded) {
        // The profit of a cycle is the net transfer to the traders' contract.
        const left = manifest.tokens.reduce((sum, { address }) => {
          const moved = receipt.logs.filter(
            (log) => log.address === address && log.topics.length === 3 && log.topics[0] === TRANSFER,
          )
          const to = moved
            .filter((log) => log.topics[2] === padded(trader))
            .reduce((total, log) => total + BigInt(log.data), 0n)
          const from = moved
            .filter((log) => log.topics[1] === padded(trader))
            .reduce((total, log) => total + BigInt(log.data), 0n)
          return sum + value(address, to - from)
        }, 0)
        entry.theirs += left
        entry.theirGas += gas
      }
    }
    detector.detect(change)
    entry.optimum = detector.optimum(change)
    books.push(entry)
    if (books.length % 30 === 0) console.error(summary().split('\n')[2])
  }

  // The first blocks are warm-up.
  while (Date.now() - begin < minutes * 60_000) await new Promise((resolve) => setTimeout(resolve, 1_000))
  await work
  market.stop()
  chain.close()
  console.log(summary())
  const opportunities = await fleet.pages<{ id: string; refusedBy: string | null; verdict: string }>(
    '/opportunities?limit=100',
    ({ id }) => id,
    1_000,
  )
  const reasons = new Map<string, number>()
  for (const { verdict, refusedBy } of opportunities)
    reasons.set(
      verdict === 'trade' ? 'sent' : (refusedBy ?? 'unknown'),
      (reasons.get(verdict === 'trade' ? 'sent' : (refusedBy ?? 'unknown')) ?? 0) + 1,
    )
  console.log(
    `\ndecisions on the last ${opportunities.length} opportunities: ${[...reasons].map(([reason, count]) => `${reason} ${count}`).join(', ')}`,
  )
} finally {
  await fleet.dispose()
}

function padded(account: Address): Hex {
  return `0x${account.slice(2).padStart(64, '0')}`
}

function summary(): string {
  let [opened, closed, lost] = [0, 0, 0]
  for (let i = 1; i < books.length; i++) {
    const [before, now] = [books[i - 1] as BlockBooks, books[i] as BlockBooks]
    const change = now.optimum.plannedNet + now.ours + now.theirs - before.optimum.plannedNet
    if (change >= 0) opened += change
    else if (now.reverted > 0) lost -= change
    else closed -= change
  }
  const first = books[0] as BlockBooks
  const last = books.at(-1) as BlockBooks
  const rest = books.slice(1)
  // Value opened in the last block was not available for a full block: it counts neither as offered nor as
  // open.
  const before = books.at(-2) ?? first
  const openedLast =
    books.length > 1
      ? Math.max(0, last.optimum.plannedNet + last.ours + last.theirs - before.optimum.plannedNet)
      : 0
  opened -= openedLast
  const open = Math.max(0, last.optimum.plannedNet - openedLast)
  const total = (key: 'ours' | 'theirs' | 'theirGas' | 'burned' | 'sent' | 'reverted') =>
    rest.reduce((sum, entry) => sum + entry[key], 0)
  const offered = first.optimum.plannedNet + opened
  const coin = (wei: number) => (wei / 1e18).toFixed(3)
  const share = (wei: number) => `${((100 * wei) / offered).toFixed(1)} %`
  const bound = books.reduce((sum, entry) => sum + entry.optimum.upperBound, 0)
  const planned = books.reduce((sum, entry) => sum + entry.optimum.planned, 0)
  return [
    '| blocks | offered | ours | theirs, before gas | their gas | closed before we traded | lost: we reverted | still open | burned by reverts | of the bound the plan takes |',
    '|---|---|---|---|---|---|---|---|---|---|',
    `| ${books.length} | ${coin(offered)} | ${coin(total('ours'))} (${share(total('ours'))}) | ${coin(total('theirs'))} (${share(total('theirs'))}) | ${coin(total('theirGas'))} | ${coin(closed)} (${share(closed)}) | ${coin(lost)} (${share(lost)}) | ${coin(open)} (${share(open)}) | ${coin(total('burned'))} | ${((100 * planned) / bound).toFixed(1)} % |`,
    '',
    `${total('sent')} transactions of ours, ${total('reverted')} reverted; seed ${seed}, ${competitors} competitors, blocks of ${BLOCK_SECONDS} s`,
  ].join('\n')
}
