import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { encodeAbiParameters, encodeFunctionData, type Hex } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, describe, expect, test } from 'vitest'
import type { Address } from '../src/amm/index.ts'
import { polygon } from '../src/engine/chains/polygon.ts'
import { balancer, own } from '../src/localnet/artifacts.ts'
import { BUILDER } from '../src/localnet/plan.ts'
import { rpc } from '../src/localnet/rpc.ts'
import type { MarketManifest } from '../src/ports/manifest.ts'
import { Fleet, kintsugi, processesOf } from './support/fleet.ts'
import { type PolygonNode, startPolygon } from './support/polygon.ts'

const REDIS_URL = process.env.REDIS_URL || 'redis://127.0.0.1:6379'
const DATABASE_URL = process.env.DATABASE_URL || 'postgres://postgres@127.0.0.1:5432/test'
const listens = (url: string) =>
  new Promise<boolean>((resolve) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname).on('error', () => resolve(false))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
const servers = (await Promise.all([listens(REDIS_URL), listens(DATABASE_URL)])).every(Boolean)
if (!servers)
  console.log('skipped: the fleet on real PostgreSQL and Redis, since at least one of them does not run here')

describe.runIf(servers)('on a PostgreSQL and a Redis of its own', () => {
  const schema = `kintsugi_fleet_${process.pid}_${Date.now()}`
  // The settings come from a `.env` in the folder it is started in.
  const fleet = new Fleet(18_000, ['--block-seconds', '1'])
  const url = `${DATABASE_URL}?options=-c%20search_path%3D${schema}`
  writeFileSync(
    join(fleet.data, '.env'),
    `DATABASE_URL=${url}\nREDIS_URL=${REDIS_URL}\nAUTH=required\nLOG_LEVEL=ERROR\nAUTO_RESTART=false\n`,
  )
  fleet.cwd = fleet.data
  afterAll(async () => {
    await fleet.dispose()
    const { default: pg } = await import('pg')
    const admin = new pg.Client(DATABASE_URL)
    await admin.connect()
    await admin.query(`drop schema if exists ${schema} cascade`)
    await admin.end()
  })

  test('the fleet trades and books there; AUTH, LOG_LEVEL and AUTO_RESTART take effect', {
    timeout: 90_000,
  }, async () => {
    const { default: pg } = await import('pg')
    const admin = new pg.Client(DATABASE_URL)
    await admin.connect()
    await admin.query(`create schema ${schema}`)
    await fleet.start()
    const bearer = { authorization: `Bearer ${fleet.token}` }
    const status = async () => (await fetch(fleet.url(8000, '/status'), { headers: bearer })).json()
    expect((await fetch(fleet.url(8000, '/status'))).status).toBe(401)
    expect((await fetch(fleet.url(8000, '/health'))).status).toBe(200)
    expect((await fleet.query(8091, { type: 'price_query', symbol: 'ETH' })).status).toBe(401)
    expect((await fleet.query(8091, { type: 'price_query', symbol: 'ETH' }, bearer)).status).toBe(200)
    const state = await status()
    expect(Object.keys(state.infrastructure).sort()).toEqual(['chain', 'database', 'localnet', 'redis'])
    await fleet.until(
      'a trade in that database',
      async () => Number((await admin.query(`select count(*) from ${schema}.trades`)).rows[0].count) > 0,
    )
    expect(fleet.log('localnet')).not.toMatch(/"level":"info"/)
    process.kill(state.servers.mcp_monitoring_server.pid, 'SIGKILL')
    await fleet.until(
      'it stays down',
      async () => (await status()).servers.mcp_monitoring_server.status === 'stopped',
    )
    expect((await status()).servers.mcp_monitoring_server.detail).toMatch(/AUTO_RESTART/)
    // No part of the URLs is shown, except the address without its password.
    expect(JSON.stringify(await status())).not.toContain(schema)
    await admin.end()
  })
})

describe('a key of the user', () => {
  const key = generatePrivateKey()
  const fleet = new Fleet(20_000, ['--block-seconds', '1', '--profile', 'test-complete'], {
    ARBITRAGE_PRIVATE_KEY: key,
  })
  afterAll(() => fleet.dispose())

  test('signs the trades, and only the signer holds it', { timeout: 60_000 }, async () => {
    await fleet.start()
    expect(fleet.output()).toMatch(/warning ARBITRAGE_PRIVATE_KEY is set in the environment/)
    expect((await fleet.status()).accounts?.operator).toBe(privateKeyToAccount(key).address.toLowerCase())
    await fleet.until('a trade', async () => (await fleet.trades()).length > 0)
    process.kill((await fleet.status()).agents.transaction_executor?.pid as number, 'SIGKILL')
    const booked = (await fleet.trades()).length
    await fleet.until(
      'a trade after the executor was replaced',
      async () => (await fleet.trades()).length > booked + 1,
    )
    const running = processesOf(fleet.data)
    expect(running.length).toBeGreaterThan(5)
    for (const line of running) {
      // The user's own command line inherits the variable from the shell; no process of the fleet does.
      if (line.includes('bin/kintsugi.mjs')) continue
      expect(readFileSync(`/proc/${line.split(' ')[0]}/environ`, 'utf8'), line).not.toContain(key.slice(2))
      expect(line).not.toContain(key.slice(2))
    }
    for (const name of ['keeper', 'transaction_executor', 'spare', 'localnet'])
      expect(fleet.log(name)).not.toContain(key.slice(2))
    expect(fleet.output()).not.toContain(key.slice(2))
  })
})

describe('POLYGON_RPC_URL', () => {
  let node: PolygonNode | undefined
  const fleets: Fleet[] = []
  afterAll(async () => {
    for (const fleet of fleets) await fleet.dispose()
    await node?.stop()
  })

  test('with a node of chain id 137: pools are discovered, prices served, opportunities judged, nothing sent', {
    timeout: 90_000,
  }, async () => {
    node = await startPolygon()
    const { port, url, plan, built } = node
    const fleet = await new Fleet(16_000, ['--chain', 'polygon'], {
      POLYGON_RPC_URL: `ws://127.0.0.1:${port}`,
    }).start()
    fleets.push(fleet)
    const status = await fleet.status()
    expect([status.mode, status.chain?.network, status.chain?.id]).toEqual(['paper', 'polygon', 137])
    // Pools of every exchange of the profile, and both lenders, at their addresses on Polygon.
    const { pools } = JSON.parse(readFileSync(join(fleet.data, 'chain.json'), 'utf8')) as MarketManifest
    expect(new Set(pools.map((pool) => pool.dex))).toEqual(
      new Set(['quickswap', 'sushiswap', 'uniswap_v3', 'uniswap_v4']),
    )
    expect(pools.some((pool) => pool.native)).toBe(true)
    const { result: lenders } = await (await fleet.query(8085, { type: 'list_providers' })).json()
    const lending = lenders.providers
      .filter((provider: { tokens: string[] }) => provider.tokens.includes('WETH'))
      .map((provider: { kind: string }) => provider.kind)
    expect(lending).toEqual(expect.arrayContaining(['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2']))
    // A pool of the vault without a registration event on this node is added with its next deposit.
    const rows = async () =>
      (await (await fleet.query(8110, { type: 'fetch_all_prices', limit: 1_000 })).json()).result.rows as {
        dex: string
      }[]
    expect((await rows()).some((row) => row.dex === 'balancer_v2')).toBe(false)
    await deposit(url, built.manifest)
    await fleet.until('the pool of the vault', async () =>
      (await rows()).some((row) => row.dex === 'balancer_v2'),
    )
    const { result } = await (await fleet.query(8091, { type: 'price_query', symbol: 'ETH' })).json()
    expect(result.price).toBeGreaterThan(2_900)
    expect(result.price).toBeLessThan(3_100)
    // A trader opens a gap.
    const pool = plan.snapshot.pools.findIndex(
      (candidate) => candidate.kind === 'constant-product' && candidate.dex === 'quickswap',
    )
    const target = built.manifest.pools[pool] as (typeof built.manifest.pools)[number]
    const reserve =
      plan.snapshot.pools[pool]?.kind === 'constant-product'
        ? (plan.snapshot.pools[pool] as { reserves: readonly [bigint, bigint] }).reserves[0]
        : 0n
    const data = encodeFunctionData({
      abi: own('LocalTrader').abi,
      functionName: 'swap',
      args: [
        { venue: 0, pool: target.address, feeBps: 30, tokenIn: target.tokens[0], tokenOut: target.tokens[1] },
        reserve / 20n,
        0n,
      ],
    })
    await rpc(url, 'eth_sendTransaction', {
      from: '0x00000000000000000000000000000000000b0001',
      to: built.trader,
      data,
      gas: '0x2dc6c0',
    })
    await fleet.until(
      'a judged opportunity',
      async () =>
        (await fleet.get<{ opportunities: unknown[] }>(8000, '/opportunities')).opportunities.length > 0,
    )
    const { opportunities } = await fleet.get<{ opportunities: { refusedBy: string; verdict: string }[] }>(
      8000,
      '/opportunities',
    )
    expect(opportunities.map((found) => found.verdict)).toEqual(opportunities.map(() => 'refuse'))
    expect(opportunities.some((found) => found.refusedBy === 'paper')).toBe(true)
    expect(await fleet.trades()).toEqual([])
    // The simulation with our contract's code earned the predicted profit, and the next block decides the outcome.
    const rehearsed = await fleet.get<{
      opportunities: { profit: string; simulation: { succeeded: boolean; profit: string } | null }[]
    }>(8000, '/opportunities')
    const simulated = rehearsed.opportunities.filter((found) => found.simulation)
    expect(simulated.length).toBeGreaterThan(0)
    for (const { profit, simulation } of simulated)
      expect(simulation).toMatchObject({ succeeded: true, profit })
    const judged = async () =>
      (await fleet.get<{ trades: { outcome: string; netNative: number }[] }>(8000, '/paper-trades')).trades
    await fleet.until('a trade on paper that the next block judged', async () => (await judged()).length > 0)
    expect((await judged()).at(-1)).toMatchObject({ outcome: 'traded' })
    expect((await fleet.status()).metrics?.paper.netNative).toBeGreaterThan(0)
    expect(processesOf(fleet.data).filter((line) => /signer/.test(line))).toEqual([])
    expect(status.infrastructure.chain).toBeUndefined()
  })

  test('an unsupported setting is refused', async () => {
    const { code, stderr } = await kintsugi(['up', '--data', '/tmp/kintsugi-none'], {
      AMQP_URL: 'amqp://guest:guest@127.0.0.1',
    })
    expect([code, stderr]).toEqual([1, expect.stringMatching(/AMQP_URL amqp:.*not built yet/)])
    expect(stderr).not.toContain('guest:guest')
  })
})

/** Deposits a little of each token into a weighted pool of the vault. */
async function deposit(url: string, { pools, wrappedNative }: MarketManifest): Promise<void> {
  const pool = pools.find(
    (candidate) => candidate.kind === 'weighted' && !candidate.tokens.includes(wrappedNative),
  ) as MarketManifest['pools'][number]
  const vault = polygon.exchanges.find((exchange) => exchange.kind === 'balancer-v2')?.vault as Address
  const from = BUILDER
  const amounts = pool.tokens.map(() => 10n ** 15n)
  const send = async (to: Address, data: Hex) =>
    rpc(url, 'eth_sendTransaction', { from, to, data, gas: '0x2dc6c0' })
  for (const [index, token] of pool.tokens.entries()) {
    await send(
      token,
      encodeFunctionData({ abi: own('LocalToken').abi, functionName: 'mint', args: [from, amounts[index]] }),
    )
    await send(
      token,
      encodeFunctionData({
        abi: own('LocalToken').abi,
        functionName: 'approve',
        args: [vault, amounts[index]],
      }),
    )
  }
  // Join kind 1: exact tokens in, without a minimum of shares.
  const userData = encodeAbiParameters(
    [{ type: 'uint256' }, { type: 'uint256[]' }, { type: 'uint256' }],
    [1n, amounts, 0n],
  )
  const request = { assets: pool.tokens, maxAmountsIn: amounts, userData, fromInternalBalance: false }
  await send(
    vault,
    encodeFunctionData({
      abi: balancer('20210418-vault', 'Vault').abi,
      functionName: 'joinPool',
      args: [pool.id, from, from, request],
    }),
  )
}
