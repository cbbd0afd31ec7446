import { setImmediate } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { hostOptions } from '../../../test/support/host-options.ts'
import { MemoryAudit } from '../../../test/support/memory-audit.ts'
import { Approvals } from '../../engine/governance/approvals.ts'
import { KintsugiError } from '../../std/errors.ts'
import { defineServer, toolbox } from '../define.ts'
import { InputNeeded, NO_CLIENT } from '../elicitation.ts'
import type { Caller } from './access.ts'
import { type HostOptions, host } from './host.ts'

const tools = toolbox<never>()
let ran: string[] = []
/** A tool that records that it ran; `before` runs first. */
const recording = (effect: 'read' | 'write' | 'spend', before: () => unknown = () => undefined) =>
  tools[effect]({
    description: 'records that it ran',
    input: { to: z.string().default('ada') },
    output: { ran: z.int().describe('calls') },
    examples: [{}],
    run: async ({ to }) => {
      await before()
      ran.push(to)
      return { ran: ran.length }
    },
  })
const held = Promise.withResolvers<void>()
const server = defineServer({
  id: 'vault',
  needs: [],
  tools: () => ({
    look: recording('read'),
    set: recording('write'),
    pay: recording('spend'),
    hold: recording('write', () => held.promise),
    ask: recording('write', () => {
      throw new InputNeeded({ resultType: 'input_required' })
    }),
  }),
})
const caller: Caller = { name: 'ada', scopes: ['spend'] }
let audit = new MemoryAudit()
beforeEach(() => {
  ran = []
  audit = new MemoryAudit()
})
const make = (change: Partial<HostOptions> = {}) =>
  host(server, {} as never, hostOptions({ audit, ...change }))
const recorded = () => audit.entries.map(({ tool, decision, outcome }) => [tool, decision, outcome])

describe('limits', () => {
  test('a token with a limit of two calls per minute makes two, then waits half a minute for the next', async () => {
    let now = 1_000_000
    const service = make({ now: () => now })
    const limited: Caller = { ...caller, limit: { id: 'limited-token', callsPerMinute: 2 } }
    await service.call('set', {}, limited)
    await service.call('set', {}, limited)
    await expect(service.call('set', {}, limited)).rejects.toMatchObject({
      code: 'too-many-calls',
      retry: 'later',
      data: { retryInMs: 30_000 },
    })
    expect(ran).toHaveLength(2)
    expect(recorded()).toEqual([
      ['set', 'allowed', 'ok'],
      ['set', 'allowed', 'ok'],
      ['set', 'refused', 'too-many-calls'],
    ])
    now += 30_000
    await service.call('set', {}, limited)
    expect(ran).toHaveLength(3)
    await expect(service.call('set', {}, limited)).rejects.toMatchObject({ code: 'too-many-calls' })
    await service.call('set', {}, caller)
  })

  test('a call beyond the limit of concurrent calls is refused and does not run', async () => {
    const service = make({ maxConcurrent: 1 })
    const first = service.call('hold', { to: 'first' }, caller)
    expect(service.inFlight()).toBe(1)
    await expect(service.call('set', { to: 'second' }, caller)).rejects.toMatchObject({
      code: 'too-many-calls',
      retry: 'later',
    })
    held.resolve()
    await first
    expect([ran, service.inFlight()]).toEqual([['first'], 0])
  })

  test.each([
    ['set', 'insufficient-scope', { name: 'bob', scopes: ['read'] }],
    ['nothing', 'unknown-tool', caller],
  ])('%s is refused with %s before it runs', async (name, code, by) => {
    await expect(make().call(name, {}, by)).rejects.toMatchObject({ code })
    expect(ran).toEqual([])
    expect(recorded()).toEqual(code === 'unknown-tool' ? [] : [['set', 'refused', code]])
  })
})

describe('the end of a call', () => {
  const never = (timeoutMs: number) => {
    const waiting = defineServer({
      id: 'vault',
      needs: [],
      tools: ({ write }) => ({
        wait: write({
          description: 'waits for its signal',
          input: {},
          output: {},
          examples: [{}],
          run: (_, { signal }) =>
            new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => {
                ran.push((signal.reason as { code: string }).code)
                reject(signal.reason)
              })
            }),
        }),
      }),
    })
    return host(waiting, {} as never, hostOptions({ audit, timeoutMs }))
  }

  test('the deadline ends a call, aborts its signal and is recorded', async () => {
    const service = never(10)
    await expect(service.call('wait', {}, caller)).rejects.toMatchObject({
      code: 'deadline-exceeded',
      retry: 'later',
    })
    expect([ran, recorded(), service.inFlight()]).toEqual([
      ['deadline-exceeded'],
      [['wait', 'allowed', 'deadline-exceeded']],
      0,
    ])
  })

  test('a caller that disconnects cancels its call', async () => {
    const controller = new AbortController()
    const call = never(60_000).call('wait', {}, caller, { signal: controller.signal })
    await setImmediate()
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'cancelled' })
    expect([ran, recorded()]).toEqual([['cancelled'], [['wait', 'allowed', 'cancelled']]])
  })
})

describe('a spend', () => {
  test('is recorded durably before it runs', async () => {
    let before: unknown
    const spending = defineServer({
      id: 'vault',
      needs: [],
      tools: () => ({
        pay: recording('spend', () => {
          before = recorded()
        }),
      }),
    })
    await host(spending, {} as never, hostOptions({ audit })).call('pay', {}, caller)
    expect(before).toEqual([['pay', 'begins', null]])
    expect(recorded()).toEqual([
      ['pay', 'begins', null],
      ['pay', 'allowed', 'ok'],
    ])
  })

  test('does not run if it cannot be recorded', async () => {
    audit.failure = new Error('the ledger is unreachable')
    await expect(make().call('pay', {}, caller)).rejects.toThrow('the ledger is unreachable')
    expect(ran).toEqual([])
  })

  test('consumes its approval: a second call needs another one', async () => {
    const options = hostOptions({ audit })
    const approvals = new Approvals(await options.records(), Date.now)
    const service = make({
      records: options.records,
      approvals: {
        policy: async () => ({ version: 1, tools: ['*'], atClient: false, minutes: 10 }),
        approvals: async () => approvals,
      },
    })
    const pay = () => service.call('pay', { to: 'grace' }, caller)
    await expect(pay()).rejects.toMatchObject({ code: 'approval-needed' })
    const [waiting] = await approvals.list()
    await approvals.decide(waiting?.id ?? '', waiting?.digest ?? '', true, { name: 'bob' })
    await expect(pay()).resolves.toEqual({ ran: 1 })
    expect(audit.entries.at(-1)).toMatchObject({ decision: 'allowed', approvedBy: 'bob' })
    await expect(pay()).rejects.toMatchObject({ code: 'approval-needed' })
    expect(ran).toEqual(['grace'])
  })

  test('that fails its cross-field validation requests no approval', async () => {
    const options = hostOptions({ audit })
    const approvals = new Approvals(await options.records(), Date.now)
    const transfer = defineServer({
      id: 'vault',
      needs: [],
      tools: ({ spend }) => ({
        transfer: spend({
          description: 'transfers between two accounts',
          input: { from: z.string(), to: z.string() },
          output: {},
          examples: [],
          validate: ({ from, to }) => {
            if (from === to) throw new KintsugiError('bad-argument', 'from, to: expected two accounts')
          },
          run: () => ({}),
        }),
      }),
    })
    const service = host(transfer, {} as never, {
      ...options,
      approvals: {
        policy: async () => ({ version: 1, tools: ['*'], atClient: false, minutes: 10 }),
        approvals: async () => approvals,
      },
    })
    const pay = (to: string) => service.call('transfer', { from: 'ada', to }, caller)
    await expect(pay('ada')).rejects.toMatchObject({ code: 'bad-argument' })
    expect(await approvals.list()).toEqual([])
    await expect(pay('bob')).rejects.toMatchObject({ code: 'approval-needed' })
    expect(await approvals.list()).toHaveLength(1)
  })
})

describe('repetition', () => {
  test.each(['look', 'set'])('%s: a request state resumes one call, once', async (name) => {
    const service = make()
    const resume = () => service.call(name, {}, caller, { stateNonce: 'nonce-1' })
    await resume()
    await expect(resume()).rejects.toMatchObject({
      code: 'bad-argument',
      message: expect.stringContaining('requestState'),
    })
    // A read has no effect to protect: it consumes its state once it has answered.
    expect(ran).toHaveLength(name === 'look' ? 2 : 1)
    await service.call(name, {}, caller, { stateNonce: 'nonce-2' })
  })

  test('calls with the same idempotency key run once and receive the same output', async () => {
    const service = make()
    const set = (idempotencyKey: string) => service.call('set', {}, caller, { idempotencyKey })
    expect([await set('a'), await set('a'), await set('b')]).toEqual([{ ran: 1 }, { ran: 1 }, { ran: 2 }])
  })

  test('a question is no outcome of a key, and no failure of the service', async () => {
    const ended: boolean[] = []
    const service = make({
      observer: { begin: () => undefined, end: (_tool, ok) => void ended.push(ok) },
    })
    for (let round = 0; round < 2; round++)
      await expect(service.call('ask', {}, caller, { idempotencyKey: 'a' })).rejects.toBeInstanceOf(
        InputNeeded,
      )
    expect(ended).toEqual([true, true])
    expect(recorded().map(([, , outcome]) => outcome)).toEqual(['input-needed', 'input-needed'])
  })
})

test('without MCP a tool cannot ask its client', async () => {
  await expect(NO_CLIENT.ask({})).rejects.toMatchObject({ code: 'input-not-possible' })
  await expect(NO_CLIENT.detach({ must: true })).rejects.toMatchObject({ code: 'input-not-possible' })
  await NO_CLIENT.detach()
})

test('faults are injected around the attempt, inside the record', async () => {
  const service = make({
    injectFault: async () => {
      throw new Error('injected')
    },
  })
  await expect(service.call('set', {}, caller)).rejects.toThrow('injected')
  expect([ran, recorded()]).toEqual([[], [['set', 'allowed', 'internal']]])
})

describe('a call that is over has no effect', () => {
  /** A slow desk; the call needs no approval once it answers. */
  const slowDesk = () => {
    const asked = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<void>()
    return {
      asked: asked.promise,
      answer: () => answered.resolve(),
      desk: {
        policy: async () => {
          asked.resolve()
          await answered.promise
          return { version: 1, tools: [], atClient: false, minutes: 10 }
        },
        approvals: () => Promise.reject(new Error('no approval is needed')),
      },
    }
  }

  test.each([
    ['a spend whose deadline passed while it waited', 'pay', 'deadline-exceeded'],
    ['a spend whose caller disconnected while it waited', 'pay', 'cancelled'],
  ] as const)('%s', async (_, tool, code) => {
    const { asked, answer, desk } = slowDesk()
    const service = make({ approvals: desk, timeoutMs: code === 'cancelled' ? 10_000 : 20 })
    const leaving = new AbortController()
    const call = service.call(tool, {}, caller, { signal: leaving.signal })
    call.catch(() => undefined)
    await asked
    if (code === 'cancelled') leaving.abort()
    await expect(call).rejects.toMatchObject({ code })
    answer()
    await setImmediate()
    await setImmediate()
    expect([ran, audit.entries.some(({ decision }) => decision === 'begins')]).toEqual([[], false])
  })
})
