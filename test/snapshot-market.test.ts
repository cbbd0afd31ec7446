/** A market built from a snapshot of the real one: the arbitrage that was in it is found, executed and booked. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Fleet, kintsugi } from './support/fleet.ts'

const file = join(import.meta.dirname, '../../shared/data/mainnet-18806161.json')
const there = existsSync(file)
if (!there) console.log(`skipped: the market of a snapshot, since ${file} does not exist`)

describe.runIf(there)('mainnet at block 18806161', () => {
  const fleet = new Fleet(16_000, ['--market', file, '--block-seconds', '1'])
  beforeAll(async () => void (await fleet.start()))
  afterAll(() => fleet.dispose())

  test('the arbitrage in it is traded, and reported in ETH', async () => {
    // Cycles of those pools, computed independently of the engine: 392091807888591 wei over OHM, 315373333039184 over SEXY; one transaction takes both, and others.
    const first = async () => (await fleet.trades()).find((trade) => /OHM.* \+ .*SEXY/.test(trade.route))
    await fleet.until('the best cycles booked, together', async () => (await first()) !== undefined, 50_000)
    expect(BigInt((await first())?.realisedProfit ?? 0)).toBeGreaterThan(392091807888591n + 315373333039184n)
    await fleet.until(
      'a further trade, as gas becomes cheaper',
      async () => (await fleet.trades()).length >= 2,
      50_000,
    )
    for (const trade of await fleet.trades()) {
      expect(trade.outcome).toBe('as-predicted')
      expect(trade.realisedProfit).toBe(trade.predictedProfit)
    }
    const { stdout } = await kintsugi(['status', '--data', fleet.data])
    expect(stdout).toMatch(/worth +[\d.]+ +WETH\n +0\.001\d* +ETH\n +gas/)
    const status = await fleet.status()
    expect(status.chain).toMatchObject({ network: 'snapshot', nativeSymbol: 'ETH' })
    const profit = BigInt(Object.values(status.metrics?.profitBooked ?? {})[0] ?? 0)
    expect(profit).toBeGreaterThan(BigInt(status.metrics?.gasBooked ?? 0))
  }, 110_000)

  test('a file that is not a snapshot is refused with the field', async () => {
    const { code, stderr } = await kintsugi([
      'up',
      '--data',
      `${fleet.data}-other`,
      '--market',
      join(import.meta.dirname, '../package.json'),
    ])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/not a market-snapshot\/1: schema/)])
    const missing = await kintsugi(['up', '--data', `${fleet.data}-other`, '--market', '/nowhere.json'])
    expect([missing.code, missing.stderr]).toEqual([
      1,
      expect.stringMatching(/no such file: \/nowhere\.json/),
    ])
  })
})
