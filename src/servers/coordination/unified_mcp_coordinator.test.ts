import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import server from './unified_mcp_coordinator.ts'

const FEED = 'mcp_price_feed_server'
/**
 * The small fleet: three pieces of infrastructure; everything else needs the hub, softly the database, and
 * the chain but for mcp-*.
 */
const INFRASTRUCTURE = ['database', 'hub', 'localnet']

test('dependency_graph: what most depend on first, a page of nodes, a diagram on request', async () => {
  const { call, world } = await harness(server)
  const { length } = world.fleet.services
  const all = await call('dependency_graph', { limit: 2 })
  expect(all).toMatchObject({ total: length, nextOffset: 2 })
  expect(all.mostNeeded).toEqual([
    { id: 'database', dependants: length - 3 },
    { id: 'hub', dependants: length - 3 },
    { id: 'localnet', dependants: length - 5 },
  ])
  expect(all.mermaid).toBeUndefined()
  world.fleet.set(FEED, { status: 'degraded' })
  expect(await call('dependency_graph', { service: FEED, diagram: true })).toMatchObject({
    total: 1,
    nodes: [{ id: FEED, cell: 'trading', status: 'degraded', hard: ['hub'], soft: ['database', 'localnet'] }],
    mermaid: `graph LR\n  ${FEED} --> hub\n  ${FEED} -.-> database\n  ${FEED} -.-> localnet`,
  })
})

test('start_order: infrastructure first', async () => {
  const { call, world } = await harness(server)
  const { waves } = await call('start_order')
  expect(waves[0]).toEqual(INFRASTRUCTURE)
  expect(waves).toHaveLength(2)
  world.fleet.services.splice(0, 1)
  expect((await call('start_order')).waves[1]).toHaveLength(waves[1].length - 1)
})

test('impact_of: hard dependants cannot start, soft ones are not ready', async () => {
  const { call, world } = await harness(server)
  const others = world.fleet.services.map(({ id }) => id).filter((id) => !INFRASTRUCTURE.includes(id))
  expect(await call('impact_of', { service: 'hub' })).toEqual({
    service: 'hub',
    cannotStart: others,
    notReady: [],
    sameProcess: [],
  })
  expect(await call('impact_of', { service: 'database' })).toMatchObject({
    cannotStart: [],
    notReady: others,
  })
  expect(await call('impact_of', { service: FEED })).toMatchObject({
    cannotStart: [],
    sameProcess: ['mcp_liquidity_server', 'dex_aggregator_mcp_server'],
  })
})

test('cascade_restart: the cell of the service, and every cell that depends on it', async () => {
  const { call, world } = await harness(server)
  const { fleet } = world
  expect(await call('cascade_restart', { service: FEED })).toEqual({ restarted: ['trading'], left: [] })
  expect((await fleet.service('mcp_liquidity_server')).restarts).toBe(1)
  const cells = new Set(
    fleet.services.map(({ cell }) => cell).filter((cell) => !INFRASTRUCTURE.includes(cell)),
  )
  fleet.orders.length = 0
  const { restarted } = await call('cascade_restart', { service: 'hub' })
  expect(restarted).toEqual(['hub', ...cells])
  expect(fleet.orders).toEqual(
    restarted.map((cell: string) => ['restart', cell, 'cascade from hub, by spec']),
  )
})
