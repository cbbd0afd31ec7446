/**
 * Memory and files of the embedded chain while it mines blocks with the orders of its traders and
 * competitors, as fast as it goes.
 * node bench/chain-memory.ts [blocks, default 10000] [--unbounded, without the limits of its history]
 */
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embeddedMarket } from '../src/localnet/market.ts'
import { rpc } from '../src/localnet/rpc.ts'
import { Crowd } from '../src/localnet/traders.ts'
import { seededRandom } from '../src/std/random.ts'
import { followMarket, startTestChain } from '../test/support/local-chain.ts'
import { sleep } from './recovery.ts'

const blocks = Number(process.argv.slice(2).find((word) => /^\d+$/.test(word)) ?? 10_000)
const EVERY = 1_000
/** Seconds that the traders take a block to last. */
const BLOCK_SECONDS = 0.01
/** The longest wait for a block to be seen, in ms. */
const SEEN_MS = 5_000

/** A folder of its own as the home folder, in which anvil would write states. */
const home = mkdtempSync(join(tmpdir(), 'kintsugi-home-'))
process.env.HOME = home
const local = await startTestChain(embeddedMarket(seededRandom(1)), undefined, {
  unbounded: process.argv.includes('--unbounded'),
})
const market = await followMarket(local)
const crowd = new Crowd({
  url: local.url,
  market,
  trader: local.market.trader,
  random: seededRandom(5),
  blockSeconds: BLOCK_SECONDS,
  ordersPerBlock: 4,
  competitors: 2,
  onError: () => undefined,
})

/** Proportional and resident set size, in MiB. */
function memory(): { pss: number; rss: number } {
  const text = readFileSync(`/proc/${local.process.pid}/smaps_rollup`, 'utf8')
  const of = (name: string) =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]) / 1_024)
  return { pss: of('Pss'), rss: of('Rss') }
}

try {
  await crowd.start()
  const started = performance.now()
  console.log('| blocks | transactions sent | PSS | RSS | files | seconds |\n|---|---|---|---|---|---|')
  for (let block = 0; block <= blocks; block++) {
    if (block % EVERY === 0) {
      const { pss, rss } = memory()
      const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) =>
        entry.isFile(),
      )
      console.log(
        `| ${block} | ${crowd.orders + crowd.competitorTrades} | ${pss} MiB | ${rss} MiB | ${files.length} | ${Math.round((performance.now() - started) / 1_000)} |`,
      )
    }
    const seen = new Promise<void>((resolve) => {
      const stop = market.subscribe(() => {
        stop()
        resolve()
      })
    })
    await rpc(local.url, 'evm_mine')
    await Promise.race([seen, sleep(SEEN_MS)])
    // The orders of this block reach the chain.
    await sleep(BLOCK_SECONDS * 1_000)
  }
} finally {
  crowd.stop()
  await local.stop()
  if (local.process.exitCode === null && local.process.signalCode === null) await once(local.process, 'exit')
  rmSync(home, { recursive: true, force: true })
}
process.exit(0)
