/** Streams of notifications of sessions: read, and left unread. */
import { expect, test, vi } from 'vitest'
import { MemoryBus } from '../../../test/support/memory-bus.ts'
import { Sessions } from './sessions.ts'

const NOTIFICATION = 'notifications/tools/list_changed'
const open = (sessions: Sessions) =>
  (sessions.stream('one', new AbortController().signal).body as ReadableStream<Uint8Array>).getReader()
const textOf = async (reader: ReadableStreamDefaultReader<Uint8Array>) =>
  Buffer.from((await reader.read()).value ?? []).toString()

test('an id is verified once a minute; its state changes at once, and other callers never get it', async () => {
  let now = 0
  const bus = new MemoryBus()
  const sessions = new Sessions(bus, 'secret', () => now)
  const verify = vi.spyOn(crypto.subtle, 'verify')
  const id = await sessions.begin('ada', { sampling: {} })
  for (let call = 0; call < 50; call++)
    expect(await sessions.find(id, 'ada')).toMatchObject({ id, client: { sampling: {} }, state: {} })
  expect(verify).toHaveBeenCalledTimes(1)
  expect(await sessions.find(id, 'eve')).toBeUndefined()
  now += 60_000
  const session = await sessions.find(id, 'ada')
  expect(verify).toHaveBeenCalledTimes(2)
  if (!session) throw new Error('the session was not found')
  const other = new Sessions(bus, 'secret', () => now)
  expect(await other.find(id, 'ada')).toBeDefined()
  await sessions.change(session, { ended: true })
  await Promise.resolve()
  for (const gateway of [sessions, other]) expect(await gateway.find(id, 'ada')).toBeUndefined()
  expect(await sessions.find(`${id}x`, 'ada')).toBeUndefined()
  verify.mockRestore()
})

test('a stream whose client does not read is ended; one that is read goes on', async () => {
  const sessions = new Sessions(new MemoryBus(), 'secret', Date.now)
  const [unread, read] = [open(sessions), open(sessions)]
  expect(await textOf(read)).toContain('listening')
  for (let count = 0; count < 300; count++) {
    sessions.notify(NOTIFICATION)
    expect(await textOf(read)).toContain(NOTIFICATION)
  }
  await expect(unread.read()).rejects.toThrow('does not read its notifications')
  sessions.notify(NOTIFICATION)
  expect(await textOf(read)).toContain(NOTIFICATION)
})
