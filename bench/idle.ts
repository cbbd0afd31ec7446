/**
 * The CPU that a fleet needs that only trades: by process, over some seconds, all threads together.
 * node bench/idle.ts [seconds, default 60] [port offset, default 10000]
 */
import { availableParallelism } from 'node:os'
import { Fleet } from '../test/support/fleet.ts'
import { measureCpu } from './cpu.ts'
import { sleep } from './recovery.ts'

const [seconds = 60, offset = 10_000] = process.argv.slice(2).map(Number)
/** After this time everything is warm. */
const SETTLE_MS = 30_000
const fleet = new Fleet(offset)

try {
  await fleet.start(120_000)
  await sleep(SETTLE_MS)
  const trades = (await fleet.trades()).length
  const end = await measureCpu(fleet)
  await sleep(seconds * 1_000)
  const shares = end()
  console.log(
    `machine: ${availableParallelism()} cores, Node ${process.version}; ${seconds} s, ${(await fleet.trades()).length - trades} trades\n`,
  )
  console.log('| process | share of one core |\n|---|---|')
  for (const [name, share] of shares) console.log(`| ${name} | ${(share * 100).toFixed(1)} % |`)
} finally {
  await fleet.dispose()
}
