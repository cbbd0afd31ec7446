/** The whole system as a user starts it: trades, reasons, refusals, healing, stop and restart. */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { encodeFunctionData, parseAbi } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { JsonRpcChain } from '../src/adapters/chain/json-rpc.ts'
import { readStoppedBooks } from '../src/adapters/ledger/stopped-books.ts'
import type { Address } from '../src/amm/index.ts'
import type { EventView, StatusView, TradeView } from '../src/gateway/api/schema.ts'
import type { AuditEntry } from '../src/ports/audit.ts'
import type { Incident } from '../src/ports/fleet.ts'
import { socketPath } from '../src/processes/run/run-plan.ts'
import { Fleet, kintsugi, NO_SERVICES, processesOf, settled } from './support/fleet.ts'

const fleet = new Fleet(12_000, ['--block-seconds', '1'])
const all = (status: StatusView) => ({
  ...status.servers,
  ...status.agents,
  ...status.main,
  ...status.infrastructure,
})
const healthy = async () =>
  Object.values(all(await fleet.status())).every((service) => service.status === 'healthy')

const up = (...args: string[]) =>
  kintsugi(['up', '--data', fleet.data, '--port-offset', String(fleet.offset), ...args], NO_SERVICES)

beforeAll(async () => void (await fleet.start()))
afterAll(() => fleet.dispose())

describe('trading', () => {
  test('the first profit is booked within 30 s, and one line says so', async () => {
    await fleet.until('a profitable trade', async () =>
      (await fleet.trades()).some((trade) => BigInt(trade.realisedProfit) > 0n),
    )
    await fleet.until(
      'a line per trade',
      async () =>
        /^\d\d:\d\d:\d\d {2}\+[\d.,]+ \w+ {2}gas [\d.,]+ MATIC {2}(as predicted|state moved) {2}.+ pools? {2}(aave-v3|balancer-v2|uniswap-v3|uniswap-v2|own) {2}0x[0-9a-f]{4}…$/m.test(
          fleet.output(),
        ),
      5_000,
    )
  })

  test('the books equal the chain: treasury per token, and the operator for gas, between two final blocks', async () => {
    const chain = new JsonRpcChain({ url: fleet.url(8545, '') })
    const status = await fleet.status()
    const accounts = status.accounts as NonNullable<StatusView['accounts']>
    const balanceOf = parseAbi(['function balanceOf(address) view returns (uint256)'])
    const tokens = [...new Set((await fleet.trades()).map((trade) => trade.token))] as Address[]
    const balances = async (block: number) => ({
      native: await chain.balance(accounts.operator as Address, block),
      tokens: await Promise.all(
        tokens.map(async (token) =>
          BigInt(
            await chain.call(
              {
                to: token,
                data: encodeFunctionData({
                  abi: balanceOf,
                  functionName: 'balanceOf',
                  args: [accounts.treasury as Address],
                }),
              },
              block,
            ),
          ),
        ),
      ),
    })
    const from = (await chain.block('finalized')).number - 3
    await fleet.until('more final blocks', async () => (await chain.block('finalized')).number >= from + 12)
    const to = from + 8
    // Booking follows finality by a moment.
    await fleet.until('bookings up to there', async () => ((await fleet.trades())[0]?.block ?? 0) > to)
    const [before, after] = [await balances(from), await balances(to)]
    const booked = (await fleet.trades()).filter((trade) => trade.block > from && trade.block <= to)
    expect(booked.length).toBeGreaterThan(0)
    tokens.forEach((token, index) => {
      const profit = booked
        .filter((trade) => trade.token === token)
        .reduce((sum, trade) => sum + BigInt(trade.realisedProfit), 0n)
      expect((after.tokens[index] as bigint) - (before.tokens[index] as bigint)).toBe(profit)
    })
    expect(before.native - after.native).toBe(booked.reduce((sum, trade) => sum + BigInt(trade.gasCost), 0n))
    chain.close()
  })

  test('if nothing moved, realised always equals predicted; the shares are reported', async () => {
    const trades = await fleet.trades()
    const asPredicted = trades.filter((trade) => trade.outcome === 'as-predicted')
    expect(asPredicted.length).toBeGreaterThan(0)
    for (const trade of asPredicted) expect(trade.realisedProfit).toBe(trade.predictedProfit)
    for (const trade of trades) expect(['as-predicted', 'state-moved', 'reverted']).toContain(trade.outcome)
    const { metrics } = await fleet.status()
    expect(Object.values(metrics?.outcomeShares ?? {}).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1)
  })

  test('each opportunity has its reasons, numbers and policy versions', async () => {
    const opportunities = await fleet.pages<{
      id: string
      verdict: string
      refusedBy: string | null
      reasons: { ok: boolean }[]
      policies: Record<string, number>
    }>('/opportunities?limit=100', ({ id }) => id, 200)
    expect(opportunities.length).toBeGreaterThan(0)
    for (const found of opportunities) {
      expect(found.policies).toEqual({ gas: 1, risk: 1, lender: 1 })
      expect(found.reasons.length).toBeGreaterThan(8)
      expect(found.verdict === 'trade').toBe(found.reasons.every((reason) => reason.ok))
    }
    const traded = opportunities.find((found) => found.verdict === 'trade')
    const answer = await (await fleet.query(8073, { type: 'explain_opportunity', id: traded?.id })).json()
    expect(answer.result).toMatchObject({
      id: traded?.id,
      verdict: 'trade',
      summary: expect.stringContaining('net of gas'),
    })
    for (const { id } of opportunities.slice(0, 20)) {
      const { result } = await (await fleet.query(8073, { type: 'explain_opportunity', id })).json()
      expect(JSON.stringify(result).length, id).toBeLessThanOrEqual(4_000)
    }
  })
})

describe('bad input', () => {
  test.each([
    ['a missing symbol', { type: 'price_query' }, 400, 'bad-argument', /symbol/],
    ['an unknown symbol', { type: 'price_query', symbol: 'NOPE' }, 404, 'unknown-symbol', /NOPE/],
    ['no JSON', 'symbol=ETH', 400, 'bad-json', /not JSON/],
    ['10 MB', 'x'.repeat(10_000_000), 413, 'too-large', /larger than/],
    ['an extra field', { type: 'price_query', symbol: 'ETH', colour: 'red' }, 400, 'bad-argument', /colour/],
    ['an unknown tool', { type: 'sell_all' }, 404, 'unknown-tool', /sell_all/],
    ['no tool', {}, 400, 'bad-argument', /type/],
  ] as const)('%s is refused clearly', async (_, body, status, code, message) => {
    const response = await fleet.query(8091, body)
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    expect([response.status, error.code]).toEqual([status, code])
    expect(error.message).toMatch(message)
    expect((await fleet.query(8091, { type: 'price_query', symbol: 'ETH' })).status).toBe(200)
  })

  test('the price is live, by curl and by the command line', async () => {
    const { result } = (await (await fleet.query(8091, { type: 'price_query', symbol: 'ETH' })).json()) as {
      result: { price: number; ageMs: number }
    }
    expect(result.price).toBeGreaterThan(2_000)
    expect(result.ageMs).toBeLessThan(3_000)
    const priceOf = (symbol: string, ...options: string[]) => {
      const args = ['mcp_price_feed_server', 'price_query', JSON.stringify({ symbol })]
      return kintsugi(['call', ...args, '--data', fleet.data, ...options])
    }
    const { code, stdout } = await priceOf('ETH', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout).price).toBeGreaterThan(2_000)
    const wrong = await priceOf('NOPE')
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('unknown token "NOPE"')])
  })
})

describe('coordination', () => {
  test('a job over two services is run and joined; a wrong tool is refused by name', async () => {
    const bearer = { authorization: `Bearer ${fleet.token}` }
    const steps = [
      { service: 'mcp_price_feed_server', tool: 'price_query', arguments: { symbol: 'ETH' } },
      { service: 'mcp_price_feed_server', tool: 'price_query', arguments: { symbol: 'NOPE' } },
      { service: 'mcp_monitoring_server', tool: 'host_resources' },
    ]
    const { result } = (await (
      await fleet.query(8077, { type: 'coordinate', description: 'a test', steps, wait: true }, bearer)
    ).json()) as {
      result: { status: string; steps: { status: string; attempts: number; error?: { code: string } }[] }
    }
    expect(result.status).toBe('failed')
    expect(result.steps.map((step) => [step.status, step.error?.code])).toEqual([
      ['done', undefined],
      ['failed', 'unknown-symbol'],
      ['done', undefined],
    ])
    const refused = (await (
      await fleet.query(
        8077,
        { type: 'coordinate', description: 'x', steps: [{ service: 'mcp_price_feed_server', tool: 'nope' }] },
        bearer,
      )
    ).json()) as {
      error: { message: string }
    }
    expect(refused.error.message).toMatch(/steps\.0\.tool/)
  })

  test('events report blocks and trades as they happen', async () => {
    const seen = new Set<string>()
    const socket = new WebSocket(fleet.url(8000, '/events').replace('http', 'ws'))
    socket.on('message', (data) => seen.add((JSON.parse(String(data)) as EventView).type))
    await fleet.until('hello, blocks and trades', async () =>
      ['hello', 'block', 'trade'].every((type) => seen.has(type)),
    )
    socket.close()
    const foreign = new WebSocket(fleet.url(8000, '/events').replace('http', 'ws'), {
      origin: 'http://evil.com',
    })
    expect(await new Promise((resolve) => foreign.on('error', (error) => resolve(error.message)))).toMatch(
      /403/,
    )
  })
})

describe('trouble', () => {
  const freshCall = async (since: number) => {
    const response = await fleet.query(8091, { type: 'price_query', symbol: 'ETH' }, { connection: 'close' })
    return (
      response.status === 200 &&
      ((await response.json()) as { result: { observedAt: number } }).result.observedAt > since
    )
  }

  test('a second start changes nothing; with other options it says what differs and exits with 3', async () => {
    const before = await fleet.status()
    const same = await up('--block-seconds', '1')
    expect([same.code, same.stderr]).toEqual([0, ''])
    expect(same.stdout).toMatch(/already runs.*Nothing was changed/s)
    const other = await up('--seed', '7')
    expect(other.code).toBe(3)
    expect(other.stdout).toContain('Nothing was changed')
    expect(other.stderr).toContain('--block-seconds: 1 is running, 2 was asked for')
    expect(other.stderr).toMatch(/--seed: \d+ is running, 7 was asked for/)
    expect((await fleet.status()).startedAt).toBe(before.startedAt)
  })

  test('stop: infrastructure needs --force, other services of the process --yes; a service alone neither', async () => {
    const stop = (...args: string[]) => kintsugi(['stop', ...args, '--data', fleet.data])
    for (const service of ['hub', 'database', 'chain']) {
      const { code, stderr } = await stop(service, '--yes')
      expect([code, stderr]).toEqual([1, expect.stringMatching(/is infrastructure.*--force/s)])
    }
    const { code, stderr } = await stop('mcp_monitoring_server')
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/also stops \d services.*: .*mcp_auth_manager_server/),
    ])
    expect(await healthy()).toBe(true)
    const stopped = await stop('mcp_monitoring_server', '--yes', '--for', '1')
    expect([stopped.code, stopped.stdout]).toEqual([0, expect.stringContaining('mcp_auth_manager_server')])
    await fleet.until('everything healthy', healthy)
  })

  test('a killed cell is back within a second, on newer data, and connections wait instead of being refused', async () => {
    for (const service of ['mcp_price_feed_server', 'mcp_monitoring_server', 'mcp_coordinator_server']) {
      await settled(socketPath(fleet.data, 'control'))
      const status = await fleet.status()
      const { pid, port, restarts } = status.servers[service] as {
        pid: number
        port: number
        restarts: number
      }
      process.kill(pid, 'SIGKILL')
      const killed = Date.now()
      const refused: unknown[] = []
      const took = await fleet.until(`${service} again`, async () => {
        const ready = await fetch(`http://127.0.0.1:${port}/ready`, {
          headers: { connection: 'close' },
        }).catch((error) => {
          if (String(error.cause?.code) === 'ECONNREFUSED') refused.push(error)
          throw error
        })
        if (!ready.ok) return false
        return service === 'mcp_price_feed_server' ? freshCall(killed) : true
      })
      expect(refused).toEqual([])
      expect(took).toBeLessThan(1_000)
      await fleet.until('everything healthy', healthy)
      expect((await fleet.status()).servers[service]?.restarts).toBe(restarts + 1)
    }
  })

  test('the executor killed while it trades: no trade is doubled, no nonce is missing, trading continues', async () => {
    for (let round = 0; round < 2; round++) {
      const { pid } = (await fleet.status()).agents.transaction_executor as { pid: number }
      process.kill(pid, 'SIGKILL')
      await fleet.until('everything healthy', healthy)
      const booked = (await fleet.trades()).length
      await fleet.until('more trades', async () => (await fleet.trades()).length > booked + 1)
    }
    const trades = await fleet.trades()
    const nonces = trades.map((trade) => trade.nonce).sort((a, b) => a - b)
    expect(nonces).toEqual(nonces.map((_, index) => (nonces[0] as number) + index))
    expect(new Set(trades.map((trade) => trade.hash)).size).toBe(trades.length)
  })

  test('the gateway, the detector and the hub recover from being killed', async () => {
    for (const [group, service] of [
      ['main', 'coordination_system'],
      ['agents', 'arbitrage_detector'],
      ['infrastructure', 'hub'],
    ] as const) {
      process.kill((await fleet.status())[group][service]?.pid as number, 'SIGKILL')
      await new Promise((resolve) => setTimeout(resolve, 50))
      await fleet.until(`${service} and everything else`, healthy)
      const booked = (await fleet.trades()).length
      await fleet.until(`trades after ${service}`, async () => (await fleet.trades()).length > booked)
    }
  })

  test('a killed database loses no booked trade, and trading resumes', async () => {
    const before = await fleet.trades()
    const { pid } = (await fleet.status()).infrastructure.database as { pid: number }
    process.kill(pid, 'SIGKILL')
    await fleet.until(
      'another database',
      async () => ![null, pid].includes((await fleet.status()).infrastructure.database?.pid ?? null),
    )
    await fleet.until('the ledger again', async () => (await fleet.status()).metrics !== null && healthy())
    const after = await fleet.trades()
    for (const trade of before) expect(after).toContainEqual(trade)
    await fleet.until('more trades', async () => (await fleet.trades()).length > after.length)
  })

  test('a hung cell is noticed, killed and replaced', async () => {
    const { pid } = (await fleet.status()).servers.mcp_price_feed_server as { pid: number }
    process.kill(pid, 'SIGSTOP')
    const stopped = Date.now()
    await fleet.until('an answer', () => freshCall(stopped), 10_000)
    expect((await fleet.status()).servers.mcp_price_feed_server?.pid).not.toBe(pid)
  })

  test('without the chain trading stops with a clear state, and resumes when it is back', async () => {
    await fleet.until('everything healthy', healthy)
    const before = await fleet.trades()
    const genesis = (await fleet.status()).chain?.genesis
    process.kill((await fleet.status()).infrastructure.chain?.pid as number, 'SIGKILL')
    let clear = ''
    await fleet.until('a clear state', async () => {
      const degraded = Object.values(all(await fleet.status())).find((service) =>
        /chain/.test(service.detail ?? ''),
      )
      clear = degraded?.detail ?? ''
      return degraded !== undefined
    })
    expect(clear).toMatch(/the chain/)
    await fleet.until(
      'a new chain',
      async () => (await healthy()) && (await fleet.status()).chain?.genesis !== genesis,
    )
    await fleet.until('trades on it', async () =>
      (await fleet.trades()).some((trade) => trade.genesis !== genesis),
    )
    const after = await fleet.trades()
    for (const trade of before) expect(after).toContainEqual(trade)
    // Numbers never repeat: the new chain starts above everything in the ledger.
    expect(
      Math.min(...after.filter((trade) => trade.genesis !== genesis).map((trade) => trade.block)),
    ).toBeGreaterThan(Math.max(...before.map((trade) => trade.block)))
  })
})

describe('the end', () => {
  let booked: TradeView[]

  const DRY_RUN = 'execute_opportunity'
  /** What `kintsugi test` may leave behind. */
  const traces = async () => {
    const output = async (...args: string[]) => (await kintsugi([...args, '--data', fleet.data])).stdout
    const json = async (...args: string[]) => JSON.parse(await output(...args, '--json'))
    const tokens = (await json('token', 'list')) as { state: string }[]
    const { incidents } = (await json('incidents', '-n', '200')) as { incidents: Incident[] }
    // Processes write their audit entries once a second.
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    const audit = (await output('audit', 'export')).trim().split('\n')
    return {
      valid: tokens.filter(({ state }) => state === 'valid').length,
      isolated: Object.entries(all(await fleet.status())).flatMap(([id, { home }]) => (home ? [id] : [])),
      requested: incidents
        .filter(({ detail }) => detail.includes('by kintsugi test'))
        .map(({ kind }) => kind),
      // A tool that reads has the executor judge an opportunity as a dry run: `cell` asks for it.
      writes: audit
        .map((line) => JSON.parse(line) as AuditEntry)
        .filter(({ effect, who, tool }) => effect !== 'read' && !(who === 'cell' && tool === DRY_RUN)),
    }
  }

  test('kintsugi test passes on the running system and changes nothing', async () => {
    await fleet.until('everything healthy', healthy)
    const before = await traces()
    const { code, stdout } = await kintsugi(['test', '--data', fleet.data])
    expect([code, stdout]).toEqual([0, expect.stringMatching(/\d+ passed, 0 failed/)])
    const { valid, requested, writes } = await traces()
    expect([valid, requested, writes]).toEqual([before.valid, [], before.writes])
  })

  test('with writes it passes too, again within the expiry of the approvals that it refused; it leaves no token and no isolation, and its incidents name it', {
    timeout: 180_000,
  }, async () => {
    const before = await traces()
    for (let run = 0; run < 2; run++) {
      const { code, stdout } = await kintsugi(['test', '--with-writes', '--data', fleet.data])
      expect(stdout).toMatch(/\d+ passed, 0 failed/)
      expect(code).toBe(0)
    }
    const after = await traces()
    expect(after.valid).toBe(before.valid)
    // The example of `stop_server` isolates it.
    expect(after.isolated).not.toContain('mcp-stability-report')
    expect(new Set(after.requested)).toEqual(new Set(['isolated', 'restarted']))
    // The audit log has the writes, so the test above would notice them.
    expect(after.writes.map(({ who }) => who)).toContain('kintsugi test')
  })

  test('the key is in no log, no environment and no command line but the signer’s own file', async () => {
    const key = readFileSync(join(fleet.data, 'keys/operator.key'), 'utf8').trim().slice(2)
    const processes = processesOf(fleet.data)
    expect(processes.length).toBeGreaterThan(5)
    for (const line of processes) {
      const pid = line.split(' ')[0]
      expect(line).not.toContain(key)
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain(key)
    }
    for (const name of ['keeper', 'transaction_executor', 'spare', 'localnet', 'agents', 'trading'])
      expect(fleet.log(name)).not.toContain(key)
    expect(JSON.stringify(await fleet.status())).not.toContain(key)
  })

  test('Ctrl-C stops everything within 10 s, and leaves no process', async () => {
    booked = await fleet.trades()
    const took = await fleet.stop('SIGINT')
    expect(fleet.child?.exitCode).toBe(0)
    expect(took).toBeLessThan(10_000)
    expect(processesOf(fleet.data)).toEqual([])
    const status = await kintsugi(['status', '--data', fleet.data])
    expect([status.code, status.stderr]).toEqual([1, expect.stringContaining('no fleet is running')])
  })

  test('a restarted fleet keeps its data, `down` stops it from another process, --fresh moves the data aside', async () => {
    await fleet.start()
    const trades = await fleet.trades()
    for (const trade of booked) expect(trades).toContainEqual(trade)
    const down = await kintsugi(['down', '--data', fleet.data, '--json'])
    expect(down.code).toBe(0)
    expect(JSON.parse(down.stdout).elapsedMs).toBeLessThan(10_000)
    // The command line that started it still writes its last line.
    await fleet.until('nothing of it is left', async () => processesOf(fleet.data).length === 0, 2_000)
    const again = await kintsugi([
      'up',
      '--data',
      fleet.data,
      '--port-offset',
      String(fleet.offset),
      '--fresh',
      '--yes',
      '--detach',
    ])
    expect([again.code, again.stdout]).toEqual([
      0,
      expect.stringMatching(/--fresh moves .* to .*: \d+ trades/),
    ])
    const aside = readdirSync(dirname(fleet.data)).filter((name) =>
      name.startsWith(`${basename(fleet.data)}.old-`),
    )
    expect(aside).toHaveLength(1)
    const old = join(dirname(fleet.data), aside[0] as string)
    expect((await readStoppedBooks(old)).trades).toBeGreaterThanOrEqual(booked.length)
    rmSync(old, { recursive: true })
    expect((await fleet.status()).metrics?.tradesBooked).toBeLessThan(booked.length)
    expect((await kintsugi(['down', '--data', fleet.data])).code).toBe(0)
    // The command line that ran it in the foreground ends too.
    await expect.poll(() => processesOf(fleet.data)).toEqual([])
  })

  test('a taken port is named, with what to do; nothing is left running', async () => {
    const blocker = createServer().listen(8091 + fleet.offset, '127.0.0.1')
    await new Promise((resolve) => blocker.once('listening', resolve))
    const { code, stderr } = await up()
    expect(code).toBe(1)
    expect(stderr).toMatch(new RegExp(`${8091 + fleet.offset} \\(mcp_price_feed_server\\)`))
    expect(stderr).toMatch(/--port-offset/)
    blocker.close()
    expect(processesOf(fleet.data)).toEqual([])
  })

  test('bad settings are all reported before anything starts; a missing binary says how to name one', async () => {
    const bad = await kintsugi(['up', '--data', fleet.data], { BATCH_SIZE: '-1', LOG_LEVEL: 'loud' })
    expect([bad.code, bad.stderr]).toEqual([1, expect.stringMatching(/2 values.*LOG_LEVEL.*BATCH_SIZE/s)])
    const missing = await kintsugi(['up', '--data', fleet.data], { KINTSUGI_ANVIL: '/nowhere/anvil' })
    expect([missing.code, missing.stderr]).toEqual([
      1,
      expect.stringMatching(/KINTSUGI_ANVIL names \/nowhere\/anvil/),
    ])
    const key = 'ab'.repeat(31)
    const wrongKey = await kintsugi(['up', '--data', fleet.data, '--port-offset', String(fleet.offset)], {
      ARBITRAGE_PRIVATE_KEY: key,
    })
    expect([wrongKey.code, wrongKey.stderr]).toEqual([1, expect.stringContaining('not a private key')])
    expect(wrongKey.stderr + wrongKey.stdout).not.toContain(key)
  })
})
