import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import agent from '../../agents/self_healing_agent.ts'
import { predictionsTool } from '../../views/predictions.ts'
import server from './enhanced_mcp_server_manager.ts'

const SERVICE = 'mcp_liquidity_server'
const DEFAULTS = {
  minInstances: 1,
  maxInstances: 3,
  outAt: 6,
  inAt: 0.5,
  outAfterMs: 8_000,
  inAfterMs: 60_000,
}

test('scale_service and instances: further instances have ports of their own', async () => {
  const { call, world } = await harness(server)
  const before = await call('instances', { service: SERVICE })
  expect(before).toMatchObject({ total: 1, nextOffset: null, instances: [{ id: SERVICE, port: 8087 }] })
  expect(before.scalable).not.toContain('mcp_coordinator_server')
  const ids = ({ instances }: { instances: { id: string }[] }) => instances.map(({ id }) => id)
  const three = [SERVICE, `${SERVICE}#2`, `${SERVICE}#3`]
  expect(ids(await call('scale_service', { service: SERVICE, instances: 3 }))).toEqual(three)
  expect(ids(await call('instances', { service: SERVICE })).sort()).toEqual(three)
  expect(ids(await call('scale_service', { service: SERVICE, instances: 1 }))).toEqual([SERVICE])
  expect(world.fleet.orders).toEqual([
    ['scale', SERVICE, 3],
    ['scale', SERVICE, 1],
  ])
})

test('scaling_policy: a partial policy is merged into the present one; a misspelt field changes nothing', async () => {
  const { call, refusal } = await harness(server)
  const present = async () => (await call('get_scaling_policy', { service: SERVICE })).policy
  const change = async (policy: object) => (await call('scaling_policy', { service: SERVICE, policy })).policy
  expect(await present()).toEqual(DEFAULTS)
  expect(await change({ minInstances: 2, outAt: 9 })).toEqual({ ...DEFAULTS, minInstances: 2, outAt: 9 })
  expect(await change({ inAfterMs: 5_000 })).toMatchObject({ minInstances: 2, outAt: 9, inAfterMs: 5_000 })
  expect(await refusal('scaling_policy', { service: SERVICE, policy: { maxInstancs: 5 } })).toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('policy.maxInstancs'),
  })
  expect(await refusal('scaling_policy', { service: SERVICE, policy: { minInstances: 5 } })).toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('policy.minInstances'),
  })
  expect(await present()).toEqual({ ...DEFAULTS, minInstances: 2, outAt: 9, inAfterMs: 5_000 })
})

test('balancing_strategy: set for one service, read without a write', async () => {
  const { call, world } = await harness(server)
  const strategy = async (service: string) => (await call('get_balancing_strategy', { service })).strategy
  expect(await strategy(SERVICE)).toBe('round-robin')
  await call('balancing_strategy', { service: SERVICE, strategy: 'healthiest' })
  expect(await call('balancing_strategy', { service: 'mcp-health-check', strategy: 'least-loaded' })).toEqual(
    {
      service: 'mcp-health-check',
      strategy: 'least-loaded',
    },
  )
  expect([await strategy(SERVICE), await strategy('mcp_monitoring_server')]).toEqual([
    'healthiest',
    'round-robin',
  ])
  expect(await world.ledger.setting('balancing')).toEqual({
    [SERVICE]: 'healthiest',
    'mcp-health-check': 'least-loaded',
  })
})

test('circuit_breakers: nothing before the first report of the gateway; then its breakers', async () => {
  const { call, world } = await harness(server)
  expect(await call('circuit_breakers')).toEqual({
    observedAt: null,
    observedAtIso: null,
    retryBudget: null,
    total: 0,
    nextOffset: null,
    breakers: [],
  })
  const open = { name: SERVICE, state: 'open', failures: 20, retryInMs: 400 } as const
  await world.bus.set('gateway:breakers', {
    observedAt: world.now(),
    breakers: [open, { ...open, name: 'mcp-health-check', state: 'half-open' }],
    retryBudget: { used: 3, max: 100 },
  })
  expect(await call('circuit_breakers', { limit: 1 })).toEqual({
    observedAt: world.now(),
    observedAtIso: '2026-11-24T08:00:00.000Z',
    retryBudget: { used: 3, max: 100 },
    total: 2,
    nextOffset: 1,
    breakers: [open],
  })
})

test('predict_failures: the answer of the healing agent, held to the contract of its tool', async () => {
  const { call, refusal, world } = await harness(server)
  const { service, tool } = predictionsTool
  expect(agent.id).toBe(service)
  expect(agent.tools[tool]).toMatchObject({ effect: predictionsTool.effect, output: predictionsTool.output })
  const unusual = { cell: 'trading', service: null, measure: 'loop delay', normal: 20.5 }
  for (const restartsWaiting of [[], ['trading']]) {
    world.fleet.answer(service, tool, () => ({ unusual: [unusual], restartsWaiting }))
    expect(await call('predict_failures')).toEqual({ unusual: [unusual], restartsWaiting })
  }
  world.fleet.answer(service, tool, () => ({ unusual: 'nothing', restartsWaiting: [] }))
  expect(await refusal('predict_failures')).toMatchObject({
    code: 'internal',
    message: expect.stringContaining('self_healing_agent__predictions'),
  })
})
