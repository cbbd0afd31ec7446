import { expect, test } from 'vitest'
import { Shedding } from './shedding.ts'

/** A service whose requests last until they are let go. */
function busy(overloaded: () => boolean, loopDelayMs = () => 251) {
  const shedding = new Shedding({ service: 's', overloaded, loopDelayMs })
  const waiting: (() => void)[] = []
  const send = (path: string) =>
    shedding.answer(
      new Request(`http://localhost${path}`),
      undefined,
      () => new Promise<Response>((resolve) => waiting.push(() => resolve(new Response('done')))),
    )
  const finish = () => {
    for (const end of waiting.splice(0)) end()
  }
  return { shedding, send, finish, started: () => waiting.length }
}

test('an overloaded service whose event loop is late answers beyond 16 requests at once, before any work', async () => {
  const { shedding, send, finish, started } = busy(() => true)
  const first = Array.from({ length: 16 }, () => send('/query'))
  const answer = await send('/query')
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await answer.json()).toMatchObject({ error: { code: 'overloaded', retry: 'later' } })
  expect(await (await send('/mcp')).json()).toMatchObject({
    jsonrpc: '2.0',
    error: { code: -32_000, data: { code: 'overloaded', retry: 'later' } },
  })
  expect([started(), shedding.count]).toEqual([16, 2])
  const health = send('/health')
  expect(started()).toBe(17)
  finish()
  expect((await Promise.all([...first, health])).map(({ status }) => status)).toEqual(Array(17).fill(200))
  const next = send('/query')
  finish()
  expect((await next).status).toBe(200)
})

test('only lateness and overload together shed', async () => {
  let isOverloaded = false
  let delayMs = 251
  const { shedding, send, finish, started } = busy(
    () => isOverloaded,
    () => delayMs,
  )
  const first = Array.from({ length: 100 }, () => send('/query'))
  isOverloaded = true
  delayMs = 250
  const next = send('/query')
  expect([started(), shedding.count]).toEqual([101, 0])
  delayMs = 251
  expect((await send('/query')).status).toBe(503)
  finish()
  await Promise.all([...first, next])
})

test('on a calm machine nothing is shed; a request that fails makes room too', async () => {
  let overloaded = false
  const { shedding, send, finish, started } = busy(() => overloaded)
  const all = Array.from({ length: 40 }, () => send('/query'))
  expect(started()).toBe(40)
  finish()
  await Promise.all(all)
  overloaded = true
  const failing = () => Promise.reject(new Error('no'))
  for (let count = 0; count < 20; count++)
    await expect(shedding.answer(new Request('http://localhost/'), undefined, failing)).rejects.toThrow('no')
  expect(shedding.count).toBe(0)
})

test.each(['/health', '/ready', '/metrics', '/status', '/halt', '/status?since=1'])(
  '%s is answered whatever the load; an address that only mentions it is not',
  async (path) => {
    const { shedding, send, finish, started } = busy(() => true)
    const first = Array.from({ length: 16 }, () => send('/query'))
    const essential = send(path)
    expect([started(), shedding.count]).toEqual([17, 0])
    expect((await send(`/opportunities?x=${path}`)).status).toBe(503)
    finish()
    await Promise.all([...first, essential])
  },
)
