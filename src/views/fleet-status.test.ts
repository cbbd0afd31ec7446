import { expect, test } from 'vitest'
import { World } from '../../test/support/harness.ts'
import { GENESIS } from '../../test/support/world/market.ts'
import { KintsugiError } from '../std/errors.ts'
import { readStatus } from './fleet-status.ts'

const read = ({ fleet, ledger, chain, halt, market }: World) =>
  readStatus({ fleet, ledger, chain, halt, manifest: () => market.manifest, version: '1.2.3' })

test('everything is readable: head and final block apart, services by kind, and the books', async () => {
  const world = new World()
  world.chain.finalityBlocks = 3
  const decision = await world.decide()
  await world.book(decision, { profitNative: 140, gasCost: 10n ** 16n })
  await world.book(decision, { genesis: `0x${'9'.repeat(64)}`, outcome: 'reverted', gasCost: 10n ** 16n })
  for (let block = 0; block < 4; block++) world.mine()
  const status = await read(world)
  expect(status).toMatchObject({ version: '1.2.3', readyMs: 4_000, healthy: true, problems: [] })
  expect(status.chain).toEqual({
    id: 31_337,
    network: 'local',
    genesis: GENESIS,
    block: 104,
    finalized: 101,
    link: 'connected',
    nativeSymbol: 'MATIC',
    quoteSymbol: 'USDC',
  })
  expect(Object.keys(status.infrastructure)).toEqual(['database', 'hub', 'localnet'])
  expect(status.servers['mcp-health-check']).toMatchObject({ status: 'healthy', cell: 'development' })
  expect(Object.keys(status.agents)).toContain('transaction_executor')
  expect(status.metrics).toMatchObject({
    tradesBooked: 2,
    gasBooked: String(2n * 10n ** 16n),
    outcomeShares: { 'as-predicted': 0.5, reverted: 0.5 },
    thisChain: { tradesBooked: 1, gasBooked: String(10n ** 16n) },
  })
})

test('a halt of trading is shown; the fleet is healthy nevertheless', async () => {
  const world = new World()
  expect((await read(world)).halt).toBeNull()
  world.halt.halt('ada', 'maintenance')
  expect(await read(world)).toMatchObject({
    healthy: true,
    halt: { by: 'ada', at: world.now(), reason: 'maintenance' },
  })
})

test('one service that is not healthy: the fleet is not', async () => {
  const world = new World()
  world.fleet.set('mcp-health-check', { status: 'degraded', detail: 'slow' })
  expect(await read(world)).toMatchObject({ healthy: false, problems: [] })
})

test('an unreadable ledger: not healthy although every service is, with the reason once', async () => {
  const world = new World()
  world.ledger.totals = async () => {
    throw new KintsugiError('ledger-unreachable', 'no connection')
  }
  const { healthy, problems, metrics, chain } = await read(world)
  expect([healthy, problems, metrics]).toEqual([false, ['ledger: no connection'], null])
  expect(chain).toMatchObject({ block: 100, link: 'connected' })
})

test('a ledger that hangs does not hold back the status', async () => {
  const world = new World()
  world.ledger.totals = () => new Promise(() => undefined)
  const from = performance.now()
  const { problems, metrics, chain } = await read(world)
  expect(performance.now() - from).toBeLessThan(4_000)
  expect([problems, metrics]).toEqual([['ledger: no answer within 2 s'], null])
  expect(chain).toMatchObject({ block: 100 })
})

test.each(['database', 'node'])(
  '%s: an external service that is known to be out is not asked',
  async (id) => {
    const world = new World()
    let asked = 0
    const never = () => {
      asked++
      return new Promise<never>(() => undefined)
    }
    if (id === 'database') {
      world.ledger.totals = never
      world.ledger.paperTotals = never
    } else world.chain.block = never
    const { status } = world.fleet
    const row = { id, kind: 'infrastructure', title: id, category: 'infrastructure', cell: id } as const
    const out = { ...row, status: 'degraded', port: null, pid: null, restarts: 0, since: null } as const
    world.fleet.status = async () => {
      const fleet = await status.call(world.fleet)
      const others = fleet.services.filter((service) => service.id !== id)
      return { ...fleet, services: [...others, { ...out, detail: 'it does not answer' }] }
    }
    const { problems, metrics, chain } = await read(world)
    expect([problems, asked]).toEqual([[`${id === 'node' ? 'chain' : 'ledger'}: it does not answer`], 0])
    if (id === 'database') expect([metrics, chain?.block]).toEqual([null, 100])
    else expect([metrics === null, chain?.link]).toEqual([false, 'disconnected'])
  },
)

test('alarms make the fleet unhealthy, and are shown with their time', async () => {
  const world = new World()
  const alarm = { kind: 'no-block' as const, message: 'no block for 20 s; the last one was 7', since: 5_000 }
  const { status } = world.fleet
  world.fleet.status = async () => ({ ...(await status.call(world.fleet)), alarms: [alarm] })
  expect(await read(world)).toMatchObject({ healthy: false, problems: [], alarms: [alarm] })
})

test('an unreachable chain: disconnected, and the books are still there', async () => {
  const world = new World()
  world.chain.block = async () => {
    throw new KintsugiError('chain-unreachable', 'no node')
  }
  const { healthy, problems, metrics, chain } = await read(world)
  expect([healthy, problems]).toEqual([false, ['chain: no node']])
  expect(chain).toMatchObject({ block: 0, finalized: 0, link: 'disconnected' })
  expect(metrics).toMatchObject({ tradesBooked: 0 })
})

test('without a market there is no chain and no accounts, which is no problem', async () => {
  const world = new World()
  const { fleet, ledger, chain, halt } = world
  const status = await readStatus({ fleet, ledger, chain, halt, manifest: () => undefined, version: '1' })
  expect([status.chain, status.accounts, status.healthy]).toEqual([null, null, true])
})
