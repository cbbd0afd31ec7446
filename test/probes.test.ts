/** What the probes of external services say about servers that are well, away, hung, slow and wrong. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { amqpProbe } from '../src/adapters/surroundings/amqp-probe.ts'
import { inspectNode, nodeProbe } from '../src/adapters/surroundings/node-probe.ts'
import { postgresProbe } from '../src/adapters/surroundings/postgres-probe.ts'
import type { Probe, ProbeFailure } from '../src/adapters/surroundings/probe.ts'
import { redisProbe } from '../src/adapters/surroundings/redis-probe.ts'
import { polygon } from '../src/engine/chains/polygon.ts'
import { FaultyProxy } from './support/faulty-proxy.ts'
import { listens } from './support/listens.ts'
import { freePort } from './support/local-chain.ts'

const DEADLINE_MS = 700
const REDIS_URL = process.env.REDIS_URL || 'redis://127.0.0.1:6379'
const DATABASE_URL = process.env.DATABASE_URL || 'postgres://postgres@127.0.0.1:5432/test'
const AMQP_URL = process.env.AMQP_URL || 'amqp://guest:guest@127.0.0.1:5672'

/** A node that answers the three calls of a probe; `codes`: addresses with a contract. */
async function startNode(answers: { chainId: number; hasCode(address: string): boolean }) {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      if (body === '') return response.writeHead(400).end()
      const { id, method, params } = JSON.parse(body)
      const result = {
        eth_chainId: `0x${answers.chainId.toString(16)}`,
        eth_getBlockByNumber: { number: '0x10', timestamp: '0x65000000' },
        eth_getCode: answers.hasCode(params?.[0]) ? '0x6000' : '0x',
      }[method as string]
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const node = await startNode({ chainId: 137, hasCode: () => false })
afterAll(() => void node.server.close())

interface Case {
  readonly name: string
  readonly url: string
  readonly probe: (url: string) => Probe
  readonly well: RegExp
  readonly protocol: string
}
const cases: readonly Case[] = [
  {
    name: 'Redis',
    url: REDIS_URL,
    probe: redisProbe,
    well: /^Redis answers/,
    protocol: 'the Redis protocol',
  },
  { name: 'PostgreSQL', url: DATABASE_URL, probe: postgresProbe, well: /may create tables$/, protocol: '' },
  { name: 'RabbitMQ', url: AMQP_URL, probe: amqpProbe, well: /^RabbitMQ accepts/, protocol: 'AMQP 0-9-1' },
  {
    name: 'a node',
    url: node.url,
    probe: (url) => nodeProbe(url, polygon),
    well: /^chain 137$/,
    protocol: 'HTTP',
  },
]

for (const { name, url, probe: probeOf, well, protocol } of cases) {
  const present = await listens(url)
  if (!present) console.log(`skipped: ${name}, which does not run here`)
  describe.runIf(present)(name, () => {
    let proxy: FaultyProxy
    let probe: Probe
    beforeAll(async () => {
      const through = await FaultyProxy.before(url)
      proxy = through.proxy
      probe = probeOf(through.url)
    })
    afterAll(async () => {
      probe.close()
      await proxy.close()
    })
    const failure = async () => {
      const from = performance.now()
      const { message, advice } = await probe.ask(DEADLINE_MS).then(
        (answer) => {
          throw new Error(`expected a failure, got: ${answer}`)
        },
        (error: ProbeFailure) => error,
      )
      expect(performance.now() - from).toBeLessThan(DEADLINE_MS + 500)
      expect(advice).toMatch(/\w/)
      // Neither libraries nor credentials show.
      expect(`${message} ${advice}`).not.toMatch(/fetch failed|ECONN|ENOENT|guest|viem|ioredis|undefined/)
      return message
    }
    const at = () => `127.0.0.1:${proxy.port}`

    test('well: twice over the same probe', async () => {
      expect(await probe.ask(DEADLINE_MS)).toMatch(well)
      expect(await probe.ask(DEADLINE_MS)).toMatch(well)
    })
    test('away, and back', async () => {
      await proxy.set('refuse')
      expect(await failure()).toMatch(new RegExp(`${at()} closed the connection|nothing listens at ${at()}`))
      expect(await failure()).toBe(`nothing listens at ${at()}`)
      await proxy.set('pass')
      expect(await probe.ask(DEADLINE_MS)).toMatch(well)
    })
    test('hung, for the kept connection and for a new one, and back', async () => {
      await proxy.set('hang')
      expect(await failure()).toMatch(new RegExp(`^${at()} does not answer as .* within 0.7 s$`))
      expect(await failure()).toMatch(/does not answer as/)
      await proxy.set('pass')
      expect(await probe.ask(DEADLINE_MS)).toMatch(well)
    })
    test('another program answers, and back', async () => {
      await proxy.set('wrong')
      // A connection that was kept breaks first.
      const first = await failure()
      const found = first.endsWith('closed the connection') ? await failure() : first
      if (protocol === '') expect(found).toMatch(/(does not answer as PostgreSQL|closed the connection)/)
      else expect(found).toBe(`${at()} does not speak ${protocol}`)
      await proxy.set('pass')
      expect(await probe.ask(DEADLINE_MS)).toMatch(well)
    })
    test('slow: an answer within the deadline counts', async () => {
      await proxy.set('slow')
      await failure()
      expect(await probe.ask(30_000)).toMatch(well)
      await proxy.set('pass')
    })
  })
}

describe.runIf(await listens(DATABASE_URL))('PostgreSQL with wrong names', () => {
  test.each([
    [
      'a database that does not exist',
      { path: '/no_such_database' },
      /database "no_such_database" does not exist/,
    ],
    [
      'a schema that does not exist',
      { search: '?options=-c%20search_path%3Dnowhere' },
      /no schema of its search_path/,
    ],
  ])('%s', async (_, { path, search }: { path?: string; search?: string }, expected) => {
    const url = new URL(DATABASE_URL)
    if (path) url.pathname = path
    if (search) url.search = search
    const probe = postgresProbe(url.href)
    await expect(probe.ask(5_000)).rejects.toThrow(expected)
    probe.close()
  })
})

describe.runIf(await listens(AMQP_URL))('RabbitMQ', () => {
  test('refuses a wrong password, which is not shown', async () => {
    const url = new URL(AMQP_URL)
    url.password = 'wrong-password'
    await expect(amqpProbe(url.href).ask(5_000)).rejects.toThrow(/^RabbitMQ refuses the login of guest$/)
  })
})

describe('a node', () => {
  test('of another chain', async () => {
    const other = await startNode({ chainId: 5, hasCode: () => true })
    await expect(nodeProbe(other.url, polygon).ask(2_000)).rejects.toThrow(
      'the node is on chain 5, polygon is chain 137',
    )
    other.server.close()
  })
  test('names the contracts that have no code', async () => {
    const [vault, pool] = ['0x1', '0x2'] as const
    const half = await startNode({ chainId: 137, hasCode: (address) => address === pool })
    const contracts = [
      { name: 'the vault', address: vault },
      { name: 'the pool', address: pool },
    ]
    expect(await inspectNode(half.url, contracts, 2_000)).toEqual({
      chainId: 137,
      head: { number: 16, timestamp: 0x65000000 },
      missing: [contracts[0]],
    })
    half.server.close()
  })
  test.each([
    [401, 'Unauthorized', /refuses the key \(HTTP 401\)/],
    [401, '{"error":"unauthorized"}', /refuses the key \(HTTP 401\)/],
    [429, 'slow down', /no quota left \(HTTP 429\)/],
    [200, '<html>', /does not speak JSON-RPC$/],
    [500, 'oops', /does not speak JSON-RPC \(HTTP 500\)/],
    [200, '{"jsonrpc":"2.0","id":1,"error":{"message":"no such method"}}', /refuses eth_\w+: no such method/],
  ])('answers %i %s', async (status, body, expected) => {
    const server = createServer((_, response) => response.writeHead(status).end(body)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-key`
    const error = await nodeProbe(url, polygon)
      .ask(2_000)
      .catch((failed: ProbeFailure) => failed)
    expect(String(error)).toMatch(expected)
    expect(JSON.stringify(error) + String(error)).not.toContain('secret-key')
    server.close()
  })
  test('over a WebSocket: nothing there, and no WebSocket there', async () => {
    const port = await freePort()
    await expect(nodeProbe(`ws://127.0.0.1:${port}`, polygon).ask(2_000)).rejects.toThrow(
      `nothing listens at 127.0.0.1:${port}`,
    )
    await expect(nodeProbe(node.url.replace('http', 'ws'), polygon).ask(2_000)).rejects.toThrow(
      /accepts no WebSocket/,
    )
  })
})
