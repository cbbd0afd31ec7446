/** `kintsugi market` as a process: files in, answers and refusals out. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { constantProductOut } from '../src/amm/index.ts'
import { kintsugi } from './support/fleet.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-market-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const token = (digit: string) => `0x${digit.repeat(40)}`
const E18 = 10n ** 18n
const pair = (address: string, tokens: readonly string[], x: bigint, y: bigint) => ({
  kind: 'constant-product',
  address,
  dex: 'uni',
  tokens,
  reserves: [String(x), String(y)],
  feeBps: 30,
})
const market = {
  schema: 'market-snapshot/1',
  chainId: 1,
  block: 7,
  tokens: [
    { address: token('a'), symbol: 'WETH', decimals: 18 },
    { address: token('b'), symbol: 'USDC', decimals: 6 },
    { address: token('c'), symbol: 'DAI', decimals: 18 },
    { address: token('d'), symbol: 'DAI', decimals: 18 },
  ],
  pools: [
    pair(token('1'), [token('a'), token('b')], 1_000n * E18, 2_000_000n * 10n ** 6n),
    pair(token('2'), [token('a'), token('b')], 1_000n * E18, 2_100_000n * 10n ** 6n),
    pair(token('3'), [token('b'), token('c')], 1_000_000n * 10n ** 6n, 1_000_000n * E18),
    {
      kind: 'weighted',
      address: token('4'),
      dex: 'bal',
      tokens: [token('a'), token('b'), token('c')],
      balances: [String(500n * E18), String(10n ** 12n), String(10n ** 24n)],
      weights: ['400000000000000000', '300000000000000000', '300000000000000000'],
      swapFee: '1000000000000000',
    },
    {
      kind: 'concentrated',
      address: token('5'),
      dex: 'v3',
      tokens: [token('a'), token('c')],
      sqrtPriceX96: String(3_543_191_142_285_914_205_922_034_323_214n),
      liquidity: String(10n ** 21n),
      tick: 76_012,
      tickSpacing: 60,
      feePips: 3000,
    },
    pair(token('6'), [token('a'), token('c')], 0n, 5n),
  ],
}
const file = join(folder, 'market.json')
writeFileSync(file, JSON.stringify(market))
const run = async (...args: string[]) => {
  const { code, stdout, stderr } = await kintsugi(['market', ...args])
  return {
    code,
    stdout,
    stderr,
    data: code === 0 && args.includes('--json') ? JSON.parse(stdout) : undefined,
  }
}

test('scan: profitable cycles, best first, exact, from the requested tokens; untradable pools are counted', async () => {
  const { data } = await run('scan', file, '--start', 'WETH', '--json')
  expect(data.leftOut).toEqual({ 'empty pool': 1 })
  expect(data.searchedCycles).toBeGreaterThan(5)
  expect(data.elapsedMs).toBeGreaterThan(0)
  expect(data.cycles.length).toBeGreaterThan(0)
  const profits = data.cycles.map((cycle: { profit: string }) => BigInt(cycle.profit))
  expect(profits).toEqual([...profits].sort((a, b) => (a > b ? -1 : 1)))
  for (const { startToken, hops, amountIn, amountOut, profit } of data.cycles) {
    expect(startToken).toBe(token('a'))
    expect([hops[0].tokenIn, hops.at(-1).tokenOut]).toEqual([startToken, startToken])
    expect(BigInt(amountOut) - BigInt(amountIn)).toBe(BigInt(profit))
    expect(Object.keys(hops[0])).toEqual(['pool', 'tokenIn', 'tokenOut'])
  }
  const two = data.cycles.find(
    (cycle: { hops: { pool: string }[] }) =>
      cycle.hops.length === 2 && cycle.hops.every(({ pool }) => pool === token('1') || pool === token('2')),
  )
  // Sold in the expensive pool and bought back in the cheap one, by the formula itself.
  const usdc = constantProductOut(BigInt(two.amountIn), 1_000n * E18, 2_100_000n * 10n ** 6n, 30)
  expect(constantProductOut(usdc, 2_000_000n * 10n ** 6n, 1_000n * E18, 30)).toBe(BigInt(two.amountOut))
  expect((await run('scan', file, '--max-hops', '2', '--limit', '1', '--json')).data.cycles).toHaveLength(1)
  const people = await run('scan', file)
  expect(people.stdout).toMatch(/WETH .*with .*WETH → /)
  expect(people.stdout).toMatch(/skipped pools: 1 × empty pool/)
})

test('quote: the amount out, or the refusal with its reason', async () => {
  const quoted = await run(
    'quote',
    file,
    '--pool',
    token('1'),
    '--in',
    'WETH',
    '--amount',
    String(E18),
    '--json',
  )
  expect(quoted.data.amountOut).toBe(
    String(constantProductOut(E18, 1_000n * E18, 2_000_000n * 10n ** 6n, 30)),
  )
  const beyond = await run(
    'quote',
    file,
    '--pool',
    token('5'),
    '--in',
    'WETH',
    '--amount',
    String(1_000n * E18),
    '--json',
  )
  expect(beyond.data).toMatchObject({
    amountOut: null,
    refusal: 'beyond-known-ticks',
    reason: expect.stringContaining('leave the price range'),
  })
  const large = await run(
    'quote',
    file,
    '--pool',
    token('4'),
    '--in',
    'WETH',
    '--out',
    'USDC',
    '--amount',
    String(400n * E18),
  )
  expect(large.stdout).toMatch(/refused .*exceeds what the pool accepts/)
  const which = await run('quote', file, '--pool', token('4'), '--in', 'WETH', '--amount', '5')
  expect([which.code, which.stderr]).toEqual([1, expect.stringMatching(/3 tokens.*\n.*--out/)])
})

test('route: split if that gives more, exact to the unit', async () => {
  const { data } = await run(
    'route',
    file,
    '--from',
    'WETH',
    '--to',
    'USDC',
    '--amount',
    String(100n * E18),
    '--json',
  )
  expect(data.paths.length).toBeGreaterThan(1)
  const total = (key: number) =>
    data.paths.reduce(
      (sum: bigint, path: { amounts: string[] }) => sum + BigInt(path.amounts.at(key) as string),
      0n,
    )
  expect(total(0)).toBe(100n * E18)
  expect(total(-1)).toBe(BigInt(data.amountOut))
  expect(BigInt(data.amountOut)).toBeGreaterThan((BigInt(data.single) * 102n) / 100n)
})

test('bound: no plan exceeds it, and the plan captures nearly all of it', async () => {
  const { data } = await run('bound', file, '--numeraire', 'WETH', '--json')
  expect(data.converged).toBe(true)
  expect(data.plan.share).toBeLessThanOrEqual(1 + 1e-9)
  expect(data.plan.share).toBeGreaterThan(0.98)
  expect(data.plan.share).toBeGreaterThanOrEqual(data.singleCycle.share)
  expect((await run('bound', file, '--numeraire', 'WETH')).stdout).toMatch(/upper bound .*WETH/)
})

test('errors name the field, the token or the file', async () => {
  const refused = async (args: string[], message: RegExp) => {
    const { code, stderr } = await run(...args)
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)])
  }
  const wrong = join(folder, 'wrong.json')
  writeFileSync(wrong, JSON.stringify({ ...market, pools: [{ ...market.pools[0], reserves: ['1', 'x'] }] }))
  await refused(['scan', wrong], /pools\.0\.reserves\.1: expected a non-negative integer/)
  await refused(['scan', join(folder, 'none.json')], /none\.json: no such file/)
  await refused(['scan', file, '--start', 'XYZ'], /unknown token XYZ: the file has no token/)
  await refused(['bound', file, '--numeraire', 'DAI'], /ambiguous token DAI: 2 tokens of the file/)
  await refused(
    ['route', file, '--from', 'WETH', '--to', 'USDC', '--amount', '1.5'],
    /--amount 1\.5: expected a whole number/,
  )
  await refused(
    ['quote', file, '--pool', token('9'), '--in', 'WETH', '--amount', '5'],
    /no tradable pool with this address/,
  )
  const packed = join(folder, 'market.json.gz')
  writeFileSync(packed, gzipSync(JSON.stringify(market)))
  expect((await run('scan', packed, '--json')).code).toBe(0)
})

test('wrong usage exits with 2, as JSON with --json, and nothing else goes to stderr', async () => {
  const { code, stderr } = await kintsugi(['market', 'scan', file, '--max-hops', '9', '--json'])
  expect(code).toBe(2)
  expect(JSON.parse(stderr).error).toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining("option '--max-hops <n>' argument '9' is invalid"),
    retry: 'never',
  })
  const unknown = await kintsugi(['marcet'])
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringMatching(/Did you mean market/)])
  expect((await kintsugi(['--help'])).code).toBe(0)
})
