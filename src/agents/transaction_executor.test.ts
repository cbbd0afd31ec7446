import { expect, test, vi } from 'vitest'
import { harness, World } from '../../test/support/harness.ts'
import { executorPorts, simulateProfit } from '../../test/support/world/executor.ts'
import { encodeJson } from '../std/json.ts'
import agent from './transaction_executor.ts'

/** The executor over a small world in which the best opportunity earns what it promises. */
async function trading() {
  const world = new World()
  const found = world.opportunity()
  simulateProfit(world, found.token, found.profit)
  const running = await harness(agent, { world, ports: executorPorts(world) })
  return { ...running, world, found, opportunity: encodeJson(found) }
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
  const { world, found, stop } = await trading()
  const decisions: { id: string; verdict: string }[] = []
  world.bus.subscribe('decisions', (decision) => decisions.push(decision))
  const { genesis } = world.market.manifest
  const counts = { changedPools: 1, searchedCycles: 1, totalCycles: 1, more: 0 }
  const at = { block: 100, blockHash: world.market.head.hash, blockTime: 1, receivedAt: 1, foundAt: 1 }
  world.bus.publish('opportunities', { genesis, ...at, ...counts, opportunities: [found] })
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
