/** What the environment does: real PostgreSQL and Redis, a key, required tokens, a real chain on paper. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { encodeAbiParameters, type Hex, keccak256, pad } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, describe, expect, test } from 'vitest'
import { foundryBinary } from '../src/adapters/binaries.ts'
import { polygon } from '../src/engine/chains/polygon.ts'
import { uniswapV2, uniswapV3 } from '../src/localnet/artifacts.ts'
import { buildMarket } from '../src/localnet/build.ts'
import { embeddedMarket } from '../src/localnet/market.ts'
import { type RpcCall, rpc, rpcBatch } from '../src/localnet/rpc.ts'
import { seededRandom } from '../src/std/random.ts'
import { Fleet, kintsugi, processesOf } from './support/fleet.ts'
import { freePort } from './support/local-chain.ts'

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
if (!servers) console.log('skipped: the fleet on real PostgreSQL and Redis, since they do not both run here')

describe.runIf(servers)('on a PostgreSQL and a Redis of its own', () => {
  const schema = `kintsugi_fleet_${process.pid}_${Date.now()}`
  // The settings come from a `.env` in the folder it is started in.
  const fleet = new Fleet(18_000, ['--block-seconds', '1'])
  const url = `${DATABASE_URL}?options=-c%20search_path%3D${schema}`
  writeFileSync(join(fleet.data, '.env'), `DATABASE_URL=${url}\nREDIS_URL=${REDIS_URL}\nAUTH=required\nLOG_LEVEL=ERROR\nAUTO_RESTART=false\n`)
  fleet.cwd = fleet.data
  afterAll(async () => {
    await fleet.dispose()
    const { default: pg } = await import('pg')
    const admin = new pg.Client(DATABASE_URL)
    await admin.connect()
    await admin.query(`drop schema if exists ${schema} cascade`)
    await admin.end()
  })

  test('it trades and books; AUTH, LOG_LEVEL and AUTO_RESTART have their effect', { timeout: 90_000 }, async () => {
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
    expect(Object.keys(state.infrastructure).sort()).toEqual(['chain', 'localnet'])
    await fleet.until('a trade in that database', async () => Number((await admin.query(`select count(*) from ${schema}.trades`)).rows[0].count) > 0)
    expect(fleet.log('localnet')).not.toMatch(/"level":30/)
    process.kill(state.servers.mcp_monitoring_server.pid, 'SIGKILL')
    await fleet.until('it stays down', async () => (await status()).servers.mcp_monitoring_server.status === 'stopped')
    expect((await status()).servers.mcp_monitoring_server.detail).toMatch(/AUTO_RESTART/)
    // The passwordless address aside, nothing of the environment's URLs is shown.
    expect(JSON.stringify(await status())).not.toContain(schema)
    await admin.end()
  })
})

describe('a key of the user', () => {
  const key = generatePrivateKey()
  const fleet = new Fleet(20_000, ['--block-seconds', '1', '--profile', 'test-complete'], { ARBITRAGE_PRIVATE_KEY: key })
  afterAll(() => fleet.dispose())

  test('it signs the trades, and only the signer ever has it', { timeout: 60_000 }, async () => {
    await fleet.start()
    expect(fleet.output()).toMatch(/warning ARBITRAGE_PRIVATE_KEY is in the environment/)
    expect((await fleet.status()).accounts?.operator).toBe(privateKeyToAccount(key).address.toLowerCase())
    await fleet.until('a trade', async () => (await fleet.trades()).length > 0)
    process.kill((await fleet.status()).agents.transaction_executor?.pid as number, 'SIGKILL')
    const booked = (await fleet.trades()).length
    await fleet.until('a trade after the executor was replaced', async () => (await fleet.trades()).length > booked + 1)
    const running = processesOf(fleet.data)
    expect(running.length).toBeGreaterThan(5)
    for (const line of running) {
      // The command line that the user started has the variable from the shell; none of ours has.
      if (line.includes('bin/kintsugi.mjs')) continue
      expect(readFileSync(`/proc/${line.split(' ')[0]}/environ`, 'utf8'), line).not.toContain(key.slice(2))
      expect(line).not.toContain(key.slice(2))
    }
    for (const name of ['keeper', 'transaction_executor', 'spare', 'localnet']) expect(fleet.log(name)).not.toContain(key.slice(2))
    expect(fleet.output()).not.toContain(key.slice(2))
  })
})

describe('POLYGON_RPC_URL', () => {
  let node: ReturnType<typeof spawn> | undefined
  const fleets: Fleet[] = []
  afterAll(async () => {
    for (const fleet of fleets) await fleet.dispose()
    if (node && node.exitCode === null) {
      node.kill('SIGKILL')
      await once(node, 'exit')
    }
  })

  test('a node with chain id 137: its pools are found, its prices served, opportunities judged, nothing sent', { timeout: 90_000 }, async () => {
    const port = await freePort()
    node = spawn(
      foundryBinary('anvil'),
      ['--port', String(port), '--chain-id', '137', '--accounts', '0', '--quiet', '--no-request-size-limit', '--disable-code-size-limit', '--slots-in-an-epoch', '1'],
      { stdio: 'ignore' },
    )
    const url = `http://127.0.0.1:${port}`
    for (
      let attempt = 0;
      attempt < 200 &&
      !(await rpc(url, 'eth_chainId').then(
        () => true,
        () => false,
      ));
      attempt++
    )
      await new Promise((resolve) => setTimeout(resolve, 20))
    const plan = embeddedMarket(seededRandom(99))
    const built = await buildMarket(url, plan, { operator: '0x00000000000000000000000000000000000000a1', treasury: '0x00000000000000000000000000000000000000a2' })
    await placeFactories(url, built.manifest.pools)
    await rpc(url, 'evm_setIntervalMining', 1)
    const fleet = await new Fleet(22_000, ['--chain', 'polygon'], { POLYGON_RPC_URL: `ws://127.0.0.1:${port}` }).start()
    fleets.push(fleet)
    const status = await fleet.status()
    expect([status.mode, status.chain?.network, status.chain?.id]).toEqual(['paper', 'polygon', 137])
    const { result } = await (await fleet.query(8091, { type: 'price_query', symbol: 'ETH' })).json()
    expect(result.price).toBeGreaterThan(2_900)
    expect(result.price).toBeLessThan(3_100)
    // Someone opens a gap.
    const pool = plan.snapshot.pools.findIndex((candidate) => candidate.kind === 'constant-product' && candidate.dex === 'quickswap')
    const target = built.manifest.pools[pool] as (typeof built.manifest.pools)[number]
    const reserve = plan.snapshot.pools[pool]?.kind === 'constant-product' ? (plan.snapshot.pools[pool] as { reserves: readonly [bigint, bigint] }).reserves[0] : 0n
    const { encodeFunctionData } = await import('viem')
    const { own } = await import('../src/localnet/artifacts.ts')
    const data = encodeFunctionData({
      abi: own('LocalTrader').abi,
      functionName: 'swap',
      args: [{ venue: 0, pool: target.address, feeBps: 30, tokenIn: target.tokens[0], tokenOut: target.tokens[1] }, reserve / 20n, 0n],
    })
    await rpc(url, 'eth_sendTransaction', { from: '0x00000000000000000000000000000000000b0001', to: built.trader, data, gas: '0x2dc6c0' })
    await fleet.until('a judged opportunity', async () => (await fleet.get<{ opportunities: unknown[] }>(8000, '/opportunities')).opportunities.length > 0)
    const { opportunities } = await fleet.get<{ opportunities: { refusedBy: string; verdict: string }[] }>(8000, '/opportunities')
    expect(opportunities.map((found) => found.verdict)).toEqual(opportunities.map(() => 'refuse'))
    expect(opportunities.some((found) => found.refusedBy === 'paper mode: everything but sending')).toBe(true)
    expect(await fleet.trades()).toEqual([])
    // Our contract was lent to a simulation, which earned what was predicted; and the next block says what would have become of it.
    const rehearsed = await fleet.get<{ opportunities: { profit: string; simulation: { succeeded: boolean; profit: string } | null }[] }>(8000, '/opportunities')
    const simulated = rehearsed.opportunities.filter((found) => found.simulation)
    expect(simulated.length).toBeGreaterThan(0)
    for (const { profit, simulation } of simulated) expect(simulation).toMatchObject({ succeeded: true, profit })
    const judged = async () => (await fleet.get<{ trades: { outcome: string; netNative: number }[] }>(8000, '/paper-trades')).trades
    await fleet.until('a trade on paper that the next block judged', async () => (await judged()).length > 0)
    expect((await judged()).at(-1)).toMatchObject({ outcome: 'traded' })
    expect((await fleet.status()).metrics?.paper.netNative).toBeGreaterThan(0)
    expect(processesOf(fleet.data).filter((line) => /signer/.test(line))).toEqual([])
    expect(status.infrastructure.chain).toBeUndefined()
  })

  test('a part that is not built says so', async () => {
    const { code, stderr } = await kintsugi(['up', '--data', '/tmp/kintsugi-none'], { AMQP_URL: 'amqp://guest:guest@127.0.0.1' })
    expect([code, stderr]).toEqual([1, expect.stringMatching(/AMQP_URL is set .*not built yet/)])
    expect(stderr).not.toContain('guest:guest')
  })
})

/** Puts factories that know the pools at Polygon's addresses: the real code, with the mappings filled in. */
async function placeFactories(
  url: string,
  pools: readonly { kind: string; dex: string; address: `0x${string}`; tokens: readonly `0x${string}`[]; feePips?: number }[],
): Promise<void> {
  const deploy = async (bytecode: Hex) => {
    const hash = await rpc<Hex>(url, 'eth_sendTransaction', { from: '0x00000000000000000000000000000000000b0001', data: bytecode, gas: '0x1c9c380' })
    await rpc(url, 'evm_mine')
    const { contractAddress } = await rpc<{ contractAddress: Hex }>(url, 'eth_getTransactionReceipt', hash)
    return rpc<Hex>(url, 'eth_getCode', contractAddress, 'latest')
  }
  const pairCode = await deploy(`${uniswapV2('UniswapV2Factory').bytecode}${'0'.repeat(64)}`)
  const poolCode = await deploy(uniswapV3('UniswapV3Factory').bytecode)
  const slot = (key: Hex, base: Hex) => keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'bytes32' }], [pad(key), base]))
  const number = (value: number) => pad(`0x${value.toString(16)}` as Hex)
  const calls: RpcCall[] = []
  const exchangeOf = (dex: string) => polygon.exchanges.find((exchange) => exchange.dex === dex && 'factory' in exchange) as { kind: string; factory: Hex } | undefined
  for (const exchange of polygon.exchanges) {
    if ('factory' in exchange) calls.push({ method: 'anvil_setCode', params: [exchange.factory, exchange.kind === 'uniswap-v2' ? pairCode : poolCode] })
  }
  for (const pool of pools) {
    const [a, b] = pool.tokens as [Hex, Hex]
    const exchange = exchangeOf(pool.dex)
    if (!exchange) continue
    const at = exchange.kind === 'uniswap-v2' ? slot(b, slot(a, number(2))) : slot(number(pool.feePips as number), slot(b, slot(a, number(5))))
    calls.push({ method: 'anvil_setStorageAt', params: [exchange.factory, at, pad(pool.address)] })
  }
  await rpcBatch(url, calls)
}
