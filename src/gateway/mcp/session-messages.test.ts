/** Messages other than calls that a client of 2025 sends in its session. */
import { beforeEach, expect, test } from 'vitest'
import { definitionsOf, directoryOf } from '../../../test/support/definitions.ts'
import { MemoryBus } from '../../../test/support/memory-bus.ts'
import { answerInSession } from './session-messages.ts'
import { Sessions } from './sessions.ts'
import { selectionOf } from './tool-selection.ts'

const resource = { name: 's', title: 's', description: 's', uri: 'vault://s', mimeType: 'text/plain' }
const directory = directoryOf({ vault: definitionsOf({ resources: [resource] }) })
let sessions: Sessions
let id: string
beforeEach(async () => {
  sessions = new Sessions(new MemoryBus(), 'secret', Date.now)
  id = await sessions.begin('ada', {})
})
const current = async () => {
  const session = await sessions.find(id, 'ada')
  if (!session) throw new Error('the session has ended')
  return session
}
const send = async (message: Record<string, unknown>) =>
  answerInSession({ jsonrpc: '2.0', ...message } as never, await current(), {
    sessions,
    directory,
    selection: selectionOf('http://localhost/mcp'),
  })

test('an answer reaches the call that waits for it, an error answer rejects it', async () => {
  const { signal } = new AbortController()
  const good = sessions.expect(id, 'q1', signal)
  const bad = sessions.expect(id, 'q2', signal)
  expect((await send({ id: 'q1', result: { name: 'Ada' } }))?.status).toBe(202)
  await send({ id: 'q2', error: { message: 'no' } })
  expect(await good).toEqual({ name: 'Ada' })
  await expect(bad).rejects.toMatchObject({ code: 'input-refused', message: expect.stringContaining('no') })
})

test('a cancellation aborts the call it names and no other', async () => {
  const [first, second] = [sessions.run(id, 1), sessions.run(id, 2)]
  const params = { requestId: 2 }
  expect((await send({ method: 'notifications/cancelled', params }))?.status).toBe(202)
  await expect.poll(() => second.cancelled.aborted).toBe(true)
  expect(first.cancelled.aborted).toBe(false)
})

test('the log level and subscriptions are kept with the session', async () => {
  await send({ id: 1, method: 'logging/setLevel', params: { level: 'debug' } })
  for (let round = 0; round < 2; round++)
    expect(
      await (await send({ id: 2, method: 'resources/subscribe', params: { uri: 'vault://s' } }))?.json(),
    ).toEqual({ jsonrpc: '2.0', id: 2, result: {} })
  expect((await current()).state).toEqual({ logLevel: 'debug', watched: ['vault://s'] })
  await send({ id: 3, method: 'resources/unsubscribe', params: { uri: 'vault://s' } })
  expect((await current()).state).toEqual({ logLevel: 'debug', watched: [] })
})

test('an unknown resource cannot be subscribed to', async () => {
  await expect(
    send({ id: 1, method: 'resources/subscribe', params: { uri: 'nobody://has' } }),
  ).rejects.toMatchObject({ code: 'not-found' })
})

test('any other message is answered elsewhere', async () => {
  expect(await send({ id: 1, method: 'tools/list', params: {} })).toBeUndefined()
})

test("a session is its caller's, and ends for every gateway", async () => {
  expect(await sessions.find(id, 'eve')).toBeUndefined()
  expect(await sessions.find(`${id}x`, 'ada')).toBeUndefined()
  await sessions.change(await current(), { ended: true })
  expect(await sessions.find(id, 'ada')).toBeUndefined()
})
