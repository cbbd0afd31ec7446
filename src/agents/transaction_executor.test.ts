import { describe, expect, test, vi } from 'vitest'
import { harness, World } from '../../test/support/harness.ts'
import { executorPorts, simulateProfit } from '../../test/support/world/executor.ts'
import type { Executor } from '../engine/trading/executor.ts'
import type { RunningAgent, ServiceContext } from '../mcp/define.ts'
import { encodeJson } from '../std/json.ts'
import agent from './transaction_executor.ts'

/** The executor over a small world in which the best opportunity earns what it promises. */
async function trading(mode: ServiceContext['mode'] = 'local') {
  const world = new World()
  const found = world.opportunity()
  simulateProfit(world, found.token, found.profit)
  const running = await harness(agent, { world, ports: executorPorts(world), service: { mode } })
  const { genesis } = world.market.manifest
  const counts = { changedPools: 1, searchedCycles: 1, totalCycles: 1, more: 0 }
  const at = { block: 100, blockHash: world.market.head.hash, blockTime: 1, receivedAt: 1, foundAt: 1 }
  /** The detector reports the opportunity, or nothing. */
  const detect = (opportunities = [found]) =>
    world.bus.publish('opportunities', { genesis, ...at, ...counts, opportunities })
  return { ...running, world, found, detect, opportunity: encodeJson(found) }
}

test('execute_opportunity: a dry run sends nothing and is recorded as one; otherwise it is signed, recorded and sent', async () => {
  const { call, world, found, opportunity, stop } = await trading()
  const dry = await call('execute_opportunity', { opportunity, dryRun: true })
  expect(dry).toMatchObject({
    sent: false,
    hash: null,
    verdict: 'refuse',
    reasons: ['not sent: a dry run was requested'],
    profit: { raw: String(found.profit) },
    simulation: { succeeded: true, gasUsed: 300_000, profit: { raw: String(found.profit) } },
  })
  expect([world.chain.sent, (await world.ledger.decision(dry.id))?.outcome.stage]).toEqual([[], 'dry-run'])
  const sent = await call('execute_opportunity', { opportunity })
  expect(sent).toMatchObject({ sent: true, verdict: 'trade', reasons: [] })
  expect(world.chain.sent).toHaveLength(1)
  const transaction = await world.ledger.transaction(sent.id)
  expect([transaction?.status, transaction?.attempts[0]?.hash]).toEqual(['open', sent.hash])
  expect(await call('execution_summary')).toMatchObject({ inFlight: 1, tradesBooked: 0 })
  // Its pools are busy now.
  const again = await call('execute_opportunity', { opportunity })
  expect([again.sent, again.reasons[0]]).toEqual([
    false,
    expect.stringMatching(/^pool 0x\w+ has a pending trade$/),
  ])
  await stop()
})

test('execute_opportunity: refused by the simulation, or by a rule, in words', async () => {
  const { call, world, found, opportunity, refusal, stop } = await trading()
  simulateProfit(world, found.token, 0n)
  const poor = await call('execute_opportunity', { opportunity })
  expect([poor.sent, poor.reasons[0]]).toEqual([
    false,
    expect.stringContaining('refused at simulation: unprofitable'),
  ])
  for (let block = 0; block < 3; block++) world.mine()
  const stale = await call('execute_opportunity', { opportunity })
  expect(stale.reasons).toEqual(['the opportunity is 3 blocks old (at most 1 allowed)'])
  const nowhere = opportunity.replaceAll(found.cycles[0]?.legs[0]?.pool ?? '', `0x${'9'.repeat(40)}`)
  expect(await refusal('execute_opportunity', { opportunity: nowhere })).toMatchObject({ code: 'not-found' })
  expect(world.chain.sent).toEqual([])
  await stop()
})

test('detections of the bus are traded, and each decision is published', async () => {
  const { world, found, detect, stop } = await trading()
  const decisions: { id: string; verdict: string }[] = []
  world.bus.subscribe('decisions', (decision) => decisions.push(decision))
  detect()
  await vi.waitFor(() => expect(decisions).toMatchObject([{ id: found.id, verdict: 'trade' }]))
  expect(world.chain.sent).toHaveLength(1)
  await stop()
})

test('execution_summary: sums of the books in whole coins, shares by outcome, and paper apart', async () => {
  const { call, world, stop } = await trading()
  const empty = {
    tradesBooked: 0,
    profitBooked: [],
    gasNative: 0,
    netNative: 0,
    outcomes: {},
    paper: { trades: 0 },
  }
  expect(await call('execution_summary')).toMatchObject(empty)
  const decision = await world.decide()
  const gasCost = 25n * 10n ** 16n
  const booked = await world.book(decision, { profitNative: 10, gasCost })
  await world.book(decision, { profitNative: 2, gasCost, realisedProfit: 5n })
  await world.book(decision, { profitNative: 0, gasCost, realisedProfit: 0n, outcome: 'reverted' })
  await world.book(decision, { profitNative: 0, gasCost, realisedProfit: 0n, outcome: 'reverted' })
  const { genesis, id: decisionId } = decision
  const paper = {
    decisionId,
    genesis,
    block: 1,
    route: '',
    symbol: 'WETH',
    decimals: 18,
    predictedProfit: 1n,
  }
  await world.ledger.recordPaperTrades([
    { ...paper, outcome: 'traded', netNative: 3e18, reason: '', judgedAt: 1 },
    { ...paper, decisionId: 'opp_2', outcome: 'moved away', netNative: -1e18, reason: '', judgedAt: 1 },
  ])
  expect(await call('execution_summary')).toMatchObject({
    native: 'MATIC',
    tradesBooked: 4,
    profitable: 2,
    profitBooked: [{ raw: String(booked.realisedProfit + 5n) }],
    gasNative: 1,
    netNative: 11,
    outcomes: { 'as-predicted': 0.5, reverted: 0.5 },
    paper: { trades: 2, netNative: 2, outcomes: { traded: 1, 'moved away': 1 } },
  })
  await stop()
})

describe('progress', () => {
  const progressOf = (state: unknown) => (state as RunningAgent).progress?.()

  test('the head before a decision; then the block of the last decision and of the last trade', async () => {
    const { world, state, detect, stop } = await trading()
    expect(progressOf(state)).toEqual({ head: 100 })
    detect([])
    await new Promise(setImmediate)
    expect(progressOf(state)).toEqual({ head: 100 })
    detect()
    const traded = { decided: 100, refusedBy: null, traded: 100 }
    await vi.waitFor(() => expect(progressOf(state)).toEqual({ head: 100, ...traded }))
    world.mine()
    expect(progressOf(state)).toEqual({ head: 101, ...traded })
    await stop()
  })

  test('what a rule or the simulation refuses is decided, not traded', async () => {
    const { world, found, state, detect, stop } = await trading()
    simulateProfit(world, found.token, 0n)
    detect()
    await vi.waitFor(() =>
      expect(progressOf(state)).toEqual({ head: 100, decided: 100, refusedBy: 'simulation' }),
    )
    world.halt.halt('a spec', 'a test')
    detect()
    await vi.waitFor(() =>
      expect(progressOf(state)).toEqual({ head: 100, decided: 100, refusedBy: 'trading not halted' }),
    )
    await stop()
  })

  test('a dry run on request decides nothing that was found', async () => {
    const { world, found, state, stop } = await trading()
    simulateProfit(world, found.token, 10n ** 24n)
    const { executor } = state as { executor: Executor }
    const { record } = await executor.request(found, true)
    expect(record.outcome.stage).toBe('dry-run')
    expect(progressOf(state)).toEqual({ head: 100 })
    await stop()
  })

  test('on paper, what only the mode refuses is traded', async () => {
    const { world, state, detect, stop } = await trading('paper')
    detect()
    await vi.waitFor(() =>
      expect(progressOf(state)).toEqual({ head: 100, decided: 100, refusedBy: 'paper', traded: 100 }),
    )
    expect(world.chain.sent).toEqual([])
    await stop()
  })
})
