import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { seededRandom } from '../../std/random.ts'
import { type CallBudget, endpointName, FailoverChain } from './failover.ts'
import { JsonRpcChain } from './json-rpc.ts'

const FREE: CallBudget = { perSecond: 0, perDay: 0 }
const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

/** A node over HTTP with blocks; it accepts transactions. Its behaviour can be changed while it runs. */
class Node {
  requests = 0
  sent: string[] = []
  head = 100
  /** Blocks from this number on have the hashes of another chain. */
  forkedAt = Number.POSITIVE_INFINITY
  mood: 'well' | 'quota' | 'refuses' = 'well'
  #server: Server
  url = ''

  constructor() {
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        this.requests++
        const { id, method, params } = JSON.parse(body)
        response.end(JSON.stringify({ jsonrpc: '2.0', id, ...this.#answer(method, params) }))
      })
    })
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/secret-key`
    open.push(() => this.stop())
    return this
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #answer(method: string, params: unknown[]) {
    if (this.mood === 'quota') return { error: { code: -32005, message: 'daily request quota exceeded' } }
    if (this.mood === 'refuses') return { error: { code: 3, message: 'execution reverted' } }
    if (method === 'eth_sendRawTransaction') {
      this.sent.push(params[0] as string)
      return { result: '0xhash' }
    }
    if (method === 'eth_chainId') return { result: '0x89' }
    const number = params[0] === 'latest' ? this.head : Number(params[0])
    return {
      result: {
        number: `0x${number.toString(16)}`,
        hash: `0x${number}${number >= this.forkedAt ? 'other' : ''}`,
        parentHash: `0x${number - 1}`,
        timestamp: '0x1',
      },
    }
  }
}

async function chainOf(nodes: readonly Node[], budget = FREE) {
  const notes: string[] = []
  const clock = { now: 1_000_000 }
  const chain = new FailoverChain(
    nodes.map((node) => ({
      name: endpointName(node.url),
      chain: new JsonRpcChain({ url: node.url, timeoutMs: 1_000, pollMs: 10 }),
    })),
    { budget, now: () => clock.now, random: seededRandom(1), onNote: (note) => notes.push(note) },
  )
  open.push(() => chain.close())
  return { chain, notes, clock }
}
const nodes = (count: number) => Promise.all(Array.from({ length: count }, () => new Node().start()))

test('the next endpoint is called while one is unreachable or over its quota, and the first again after its suspension', async () => {
  const [first, second] = (await nodes(2)) as [Node, Node]
  const { chain, notes, clock } = await chainOf([first, second])
  expect((await chain.block('latest')).number).toBe(100)
  expect([first.requests, second.requests]).toEqual([1, 0])
  first.mood = 'quota'
  expect((await chain.block('latest')).number).toBe(100)
  expect([first.requests, second.requests]).toEqual([2, 1])
  await chain.block('latest')
  // It is suspended, and not called.
  expect([first.requests, second.requests]).toEqual([2, 2])
  expect(chain.endpoints()[0]).toMatchObject({
    state: 'resting',
    failures: 1,
    lastError: 'daily request quota exceeded',
  })
  first.mood = 'well'
  clock.now += 1_000
  await chain.block('latest')
  expect(first.requests).toBe(3)
  expect(notes).toEqual([
    expect.stringMatching(/suspended: daily request quota exceeded/),
    expect.stringMatching(/is available again/),
  ])
  // The displayed name contains no key.
  expect(JSON.stringify([notes, chain.endpoints()])).not.toContain('secret-key')
})

test('a refusal by the node is returned, and the call is not sent to another endpoint', async () => {
  const [first, second] = (await nodes(2)) as [Node, Node]
  const { chain } = await chainOf([first, second])
  first.mood = 'refuses'
  await expect(chain.block('latest')).rejects.toThrow('execution reverted')
  expect(second.requests).toBe(0)
})

test('a transaction is sent to all endpoints, and one acceptance is enough', async () => {
  const [first, second, third] = (await nodes(3)) as [Node, Node, Node]
  const { chain } = await chainOf([first, second, third])
  second.stop()
  expect(await chain.send('0xraw')).toBe('0xhash')
  expect([first.sent, third.sent]).toEqual([['0xraw'], ['0xraw']])
})

test('each endpoint has its own budget per day and per second', async () => {
  const [first, second] = (await nodes(2)) as [Node, Node]
  const day = await chainOf([first, second], { perSecond: 0, perDay: 3 })
  for (let i = 0; i < 6; i++) await day.chain.block('latest')
  expect([first.requests, second.requests]).toEqual([3, 3])
  await expect(day.chain.block('latest')).rejects.toMatchObject({ code: 'quota-used-up' })
  expect(day.chain.endpoints().map(({ callsLeftToday }) => callsLeftToday)).toEqual([0, 0])
  day.clock.now += 86_400_000
  await day.chain.block('latest')
  expect(first.requests).toBe(4)
  const [third] = (await nodes(1)) as [Node]
  const second2 = await chainOf([third], { perSecond: 2, perDay: 0 })
  await second2.chain.block('latest')
  await second2.chain.block('latest')
  await expect(second2.chain.block('latest')).rejects.toMatchObject({ code: 'quota-used-up', retry: 'later' })
  second2.clock.now += 500
  await second2.chain.block('latest')
})

async function moveOn(chain: readonly Node[], until: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !until(); i++) {
    for (const node of chain) node.head++
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

test('if three endpoints disagree, the minority is excluded', async () => {
  const three = (await nodes(3)) as [Node, Node, Node]
  const { chain, notes } = await chainOf(three)
  const heads: number[] = []
  chain.watch((head) => heads.push(head.number))
  await expect.poll(() => chain.link, { timeout: 5_000 }).toBe('connected')
  three[2].forkedAt = 110
  await moveOn(three, () => notes.some((note) => note.includes('excluded')))
  expect(chain.endpoints().map(({ state }) => state)).toEqual(['connected', 'connected', 'disagrees'])
  expect(chain.link).toBe('connected')
  expect(new Set(heads).size).toBeGreaterThan(5)
})

test('if two endpoints disagree, neither is used until they agree again', async () => {
  const two = (await nodes(2)) as [Node, Node]
  const { chain, notes } = await chainOf(two)
  chain.watch(() => undefined)
  await expect.poll(() => chain.link, { timeout: 5_000 }).toBe('connected')
  two[1].forkedAt = 110
  await moveOn(two, () => chain.link === 'disconnected')
  expect([chain.link, notes[0]]).toEqual([
    'disconnected',
    expect.stringMatching(/disagree about block 1\d\d/),
  ])
  two[1].forkedAt = Number.POSITIVE_INFINITY
  await moveOn(two, () => chain.link === 'connected')
  expect(chain.link).toBe('connected')
})
