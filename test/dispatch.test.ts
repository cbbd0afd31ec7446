/** Calls to services that die, fail and fill up: retries, breakers, bulkheads and hedging. */
import { createServer, type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { BULKHEAD } from '../src/adapters/dispatch/bulkhead.ts'
import { Dispatch } from '../src/adapters/dispatch/dispatcher.ts'
import { query, resultOf } from '../src/adapters/dispatch/query.ts'
import { type Balancing, chooseInstance } from '../src/engine/operations/balancing.ts'
import type { Effect } from '../src/mcp/define.ts'
import { freePort } from './support/local-chain.ts'

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

type Behaviour = 'answer' | 'die' | 'internal' | 'refuse' | 'slow'

async function service(port: number, behaviour: (count: number) => Behaviour): Promise<{ count: number }> {
  const seen = { count: 0 }
  const server = createServer((_request, response) => {
    const kind = behaviour(seen.count++)
    const json = (body: unknown) => response.end(JSON.stringify(body))
    if (kind === 'die') response.destroy()
    else if (kind === 'internal') json({ error: { code: 'internal', message: 'it threw', retry: 'later' } })
    else if (kind === 'refuse')
      json({ error: { code: 'bad-argument', message: 'symbol: expected a symbol', retry: 'never' } })
    else setTimeout(() => json({ result: { port } }), kind === 'slow' ? 300 : 0)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return seen
}

function dispatch(ports: Record<string, number[]>, strategy: Balancing = 'round-robin', maxCalls = 64) {
  const made = new Dispatch({
    portsOf: (id) => ports[id] ?? [],
    strategyOf: () => strategy,
    bulkhead: { ...BULKHEAD, maxCalls },
    now: () => performance.now(),
  })
  const call = async (id: string, effect: Effect = 'read', ms = 2_000) => {
    const signal = AbortSignal.timeout(ms)
    const answer = await made.call(
      { service: id, tool: 'ask', effect, signal },
      query({ tool: 'ask', arguments: {}, headers: {}, signal }),
    )
    return resultOf(answer) as unknown as { port: number }
  }
  return { made, call }
}

test('a read whose service dies is repeated; a write and a spend are sent once, with an error that they may have taken effect', async () => {
  const port = await freePort()
  const seen = await service(port, (count) => (count % 2 === 0 ? 'die' : 'answer'))
  const { call } = dispatch({ a: [port] })
  expect(await call('a')).toEqual({ port })
  expect(seen.count).toBe(2)
  for (const [effect, code, hint] of [
    ['write', 'service-unreachable', 'may or may not'],
    ['spend', 'ambiguous-outcome', 'execution_status'],
  ] as const) {
    const before = seen.count
    await expect(call('a', effect)).rejects.toMatchObject({ code, hint: expect.stringContaining(hint) })
    expect(seen.count).toBe(before + 1)
    await call('a')
  }
})

test('a read of an unavailable service is held until the service recovers, within its deadline', async () => {
  const port = await freePort()
  const { call } = dispatch({ a: [port] })
  const held = call('a')
  setTimeout(() => void service(port, () => 'answer'), 300)
  expect(await held).toEqual({ port })
  const gone = await freePort()
  const started = performance.now()
  await expect(dispatch({ b: [gone] }).call('b', 'read', 400)).rejects.toMatchObject({ retry: 'later' })
  expect(performance.now() - started).toBeLessThan(1_000)
})

test('five hundred reads of an unavailable service cost its port as little as one, and all are answered', async () => {
  const port = await freePort()
  let unavailable = true
  let busy = 0
  let [maxBusy, requested] = [0, 0]
  const server = createServer((_request, response) => {
    requested++
    if (unavailable)
      return void response.end(
        JSON.stringify({
          error: { code: 'ledger-unreachable', message: 'the ledger is unavailable', retry: 'later' },
        }),
      )
    if (++busy > 20) {
      busy--
      return void response.end(
        JSON.stringify({ error: { code: 'too-many-calls', message: 'full', retry: 'later' } }),
      )
    }
    maxBusy = Math.max(maxBusy, busy)
    setTimeout(() => {
      busy--
      response.end(JSON.stringify({ result: { port } }))
    }, 5)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const { made, call } = dispatch({ a: [port] }, 'round-robin', 1_000)
  const reads = Array.from({ length: 500 }, () => call('a', 'read', 10_000))
  await sleep(1_000)
  expect(made.state().bulkheads.a).toMatchObject({ running: 1, waiting: 499, unavailable: true })
  expect(requested).toBeLessThan(60)
  unavailable = false
  expect(await Promise.all(reads)).toEqual(Array.from({ length: 500 }, () => ({ port })))
  // The full width was used, and few requests exceeded it.
  expect(maxBusy).toBeGreaterThan(10)
  expect(requested).toBeLessThan(700)
})

test('calls that were not sent yet wait while the service is unavailable, writes too; an aborted call leaves no trace', async () => {
  const port = await freePort()
  let unavailable = true
  const seen = await service(port, () => (unavailable ? 'die' : 'answer'))
  const { made, call } = dispatch({ a: [port] })
  const read = call('a')
  await sleep(50)
  const write = call('a', 'write')
  await expect(call('a', 'write', 100)).rejects.toMatchObject({ code: 'deadline-exceeded' })
  unavailable = false
  expect(await Promise.all([read, write])).toEqual([{ port }, { port }])
  expect(made.state().bulkheads).toEqual({})
  expect(seen.count).toBeGreaterThan(2)
})

test('five consecutive failures open the breaker of a tool; refusals do not count, other tools are not affected', async () => {
  const port = await freePort()
  let broken = true
  const seen = await service(port, () => (broken ? 'internal' : 'answer'))
  const { made, call } = dispatch({ a: [port] })
  for (let count = 0; count < 5; count++) await expect(call('a')).rejects.toMatchObject({ code: 'internal' })
  expect(made.state().breakers).toMatchObject([{ name: 'a__ask', state: 'open', failures: 1 }])
  const before = seen.count
  await expect(call('a', 'write')).rejects.toMatchObject({
    code: 'service-unreachable',
    message: expect.stringContaining('circuit breaker open'),
  })
  expect(seen.count).toBe(before)
  broken = false
  // A read waits until the breaker admits a probe.
  expect(await call('a')).toEqual({ port })
  expect(made.state().breakers).toEqual([])
  const refusing = await freePort()
  await service(refusing, () => 'refuse')
  const other = dispatch({ b: [refusing] })
  for (let count = 0; count < 10; count++)
    await expect(other.call('b')).rejects.toMatchObject({ code: 'bad-argument' })
})

test('calls beyond the bulkhead of a service are refused; other services are not affected', async () => {
  const [slow, quick] = [await freePort(), await freePort()]
  await service(slow, () => 'slow')
  await service(quick, () => 'answer')
  const { call } = dispatch({ slow: [slow], quick: [quick] }, 'round-robin', 3)
  const filling = Promise.all([call('slow'), call('slow'), call('slow')])
  await expect(call('slow')).rejects.toMatchObject({ code: 'too-many-calls', retry: 'later' })
  expect(await call('quick')).toEqual({ port: quick })
  await filling
})

test('instances: in turn, the least loaded, the healthiest', async () => {
  const [first, second] = [await freePort(), await freePort()]
  await service(first, () => 'answer')
  await service(second, () => 'answer')
  const { call } = dispatch({ a: [first, second] })
  const answers = []
  for (let count = 0; count < 6; count++) answers.push((await call('a')).port)
  expect(answers).toEqual([first, second, first, second, first, second])
  const load = (running: number, errorShare = 0, latencyMs = 1) => ({
    port: 0,
    running,
    errorShare,
    latencyMs,
  })
  expect(chooseInstance('least-loaded', [load(3), load(1), load(2)], 0)).toBe(1)
  expect(chooseInstance('healthiest', [load(0, 0.5), load(0, 0)], 0)).toBe(1)
  expect(chooseInstance('healthiest', [load(0, 0, 50), load(0, 0, 5)], 7)).toBe(1)
  expect([0, 1, 2].map((turn) => chooseInstance('least-loaded', [load(1), load(1)], turn))).toEqual([0, 1, 0])
  expect(() => chooseInstance('round-robin', [], 0)).toThrow(RangeError)
})

test('a spend whose connection was refused did not take effect: it is unreachable, not ambiguous', async () => {
  const { call } = dispatch({ a: [await freePort()] })
  await expect(call('a', 'spend')).rejects.toMatchObject({ code: 'service-unreachable', retry: 'later' })
})

test('a write with an idempotency key is repeated; a spend with one is not', async () => {
  const port = await freePort()
  const seen = await service(port, (count) => (count % 2 === 0 ? 'die' : 'answer'))
  const { made } = dispatch({ a: [port] })
  const send = (effect: Effect) => {
    const signal = AbortSignal.timeout(2_000)
    return made.call(
      { service: 'a', tool: 'set', effect, signal, keyed: true },
      query({ tool: 'set', arguments: {}, headers: {}, signal }),
    )
  }
  expect(resultOf(await send('write'))).toEqual({ port })
  expect(seen.count).toBe(2)
  await expect(send('spend')).rejects.toMatchObject({ code: 'ambiguous-outcome' })
  expect(seen.count).toBe(3)
})

test('calls in flight are limited per caller and per tool; others are not affected', async () => {
  const port = await freePort()
  await service(port, () => 'slow')
  const made = new Dispatch({
    portsOf: () => [port],
    strategyOf: () => 'round-robin',
    limits: { perCaller: 3, perTool: 5 },
    now: () => performance.now(),
  })
  const ask = (caller: string, tool = 'ask') => {
    const signal = AbortSignal.timeout(2_000)
    return made
      .call(
        { service: 'a', tool, effect: 'read', signal, caller },
        query({ tool, arguments: {}, headers: {}, signal }),
      )
      .then(
        () => 'ok',
        (error) => `${error.code}: ${error.message}`,
      )
  }
  const greedy = await Promise.all([...Array.from({ length: 6 }, () => ask('greedy')), ask('modest')])
  expect(greedy.filter((outcome) => outcome === 'ok')).toHaveLength(4)
  expect(greedy.at(-1)).toBe('ok')
  expect(greedy.find((outcome) => outcome !== 'ok')).toContain('greedy has 3 calls in flight')
  const many = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((caller) => ask(caller)))
  expect(many.filter((outcome) => outcome === 'ok')).toHaveLength(5)
  expect(
    await Promise.all([...['a', 'b', 'c', 'd', 'e'].map((caller) => ask(caller)), ask('f', 'other')]),
  ).toEqual(Array.from({ length: 6 }, () => 'ok'))
})

test('a slow hedged read goes to a second instance, for at most five calls in a hundred', async () => {
  const [slow, quick] = [await freePort(), await freePort()]
  const seen = await service(slow, () => 'slow')
  const other = await service(quick, () => 'answer')
  const made = new Dispatch({
    portsOf: () => [slow, quick],
    strategyOf: () => 'round-robin',
    now: () => performance.now(),
  })
  const ask = async (hedged: boolean) => {
    const signal = AbortSignal.timeout(2_000)
    const started = performance.now()
    await made.call(
      { service: 'a', tool: 'ask', effect: 'read', signal, hedged },
      query({ tool: 'ask', arguments: {}, headers: {}, signal }),
    )
    return performance.now() - started
  }
  expect(await ask(true)).toBeLessThan(200)
  expect([seen.count, other.count]).toEqual([1, 1])
  await ask(false)
  // Without hedging the call waits for the slow instance.
  expect(await ask(false)).toBeGreaterThan(250)
  const requested = 60
  for (let round = 0; round < requested; round++) await ask(true)
  const twice = seen.count + other.count - (requested + 4)
  expect(twice).toBeGreaterThan(3)
  expect(twice).toBeLessThanOrEqual(10 + Math.ceil(requested * 0.05))
})
