/** A world in which something of everything has happened, so that every tool has something to answer. */
import type { Ports } from '../../../src/ports/ports.ts'
import priceFeed from '../../../src/servers/trading/mcp_price_feed_server.ts'
import { SmallForeignServer, smallConnections } from './connections.ts'
import { publishedDefinitions } from './definitions.ts'
import { mineArbitrage, pairSwap } from './events.ts'
import { addExecutor, executorPorts } from './executor.ts'
import { E6, E18, POOLS, TOKENS } from './market.ts'
import { tokenIssuer } from './tokens.ts'
import { World } from './world.ts'

/** The world, and the ports that only this one has. */
export async function busyWorld(): Promise<{ world: World; ports: Partial<Ports> }> {
  const world = new World()
  const { market, ledger, fleet } = world
  await world.decide({ id: `opp_${'1'.repeat(20)}` }, 'net profit')
  for (let block = 0; block < 3; block++) {
    const decision = await world.decide()
    world.mine()
    await world.book(decision, { nonce: block + 1 })
    market.swap(POOLS.matic, TOKENS.WMATIC, TOKENS.USDC, 100n * E18)
    await ledger.recordPrices([
      { symbol: 'WETH', price: 2_000 + block, block: market.head.number, at: world.now() },
    ])
  }
  market.swap(POOLS.concentrated, TOKENS.USDC, TOKENS.WETH, 1_000n * E6)
  world.mine([pairSwap(POOLS.matic, [100n * E18, 0n], [0n, 69n * E6])])
  for (let index = 1; index <= 12; index++)
    mineArbitrage(world, `0x${index.toString(16).padStart(40, '6')}`, `0x${String(index).padStart(64, '0')}`)
  const incident = { unit: 'trading', services: ['mcp_price_feed_server'], detail: 'code 1', at: world.now() }
  for (const record of [
    { ...incident, kind: 'exited', action: 'restarted', durationMs: null },
    { ...incident, kind: 'recovered', action: 'none', at: world.now() + 800, durationMs: 800 },
  ] as const) {
    await ledger.recordIncident(record)
    fleet.recorded.push(record)
  }
  addExecutor(world)
  fleet.answer('mcp-health-check', 'health', () => ({ healthy: true }))
  fleet.answer('mcp_monitoring_server', 'host_resources', () => ({ cpuCount: 2 }))
  await ledger.saveTask({
    id: `task_${'1'.repeat(8)}`,
    description: 'a health check',
    caller: { name: 'operator', scopes: ['write'] },
    priority: 5,
    status: 'done',
    steps: [
      {
        id: '1',
        service: 'mcp-health-check',
        tool: 'health',
        arguments: {},
        status: 'done',
        attempts: 1,
        result: { healthy: true },
        startedAt: world.now(),
        finishedAt: world.now() + 20,
      },
    ],
    createdAt: world.now(),
    finishedAt: world.now() + 20,
    deadline: world.now() + 60_000,
  })
  fleet.answer('self_healing_agent', 'predictions', () => ({
    unusual: [{ cell: 'trading', service: null, measure: 'loop delay', normal: 20.5 }],
    restartsWaiting: ['trading'],
  }))
  fleet.lines.set('mcp_monitoring_server', ['{"level":"info","message":"ready"}'])
  const access = tokenIssuer(world.now)
  await access.issue({ subject: 'ada', scopes: ['read'], seconds: 3_600 })
  await world.bus.set('gateway:definitions', publishedDefinitions([priceFeed]))
  const connections = smallConnections(ledger, {
    first: new SmallForeignServer(),
    second: new SmallForeignServer(),
  })
  for (const name of ['first', 'second']) {
    await connections.connect(name, { kind: 'http', url: `http://${name}/mcp` })
    await connections.approve(name, null, 'write')
  }
  return { world, ports: { access, connections, ...executorPorts(world) } }
}
