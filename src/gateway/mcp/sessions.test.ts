/** Streams of notifications of sessions: read, and left unread. */
import { expect, test } from 'vitest'
import { MemoryBus } from '../../../test/support/memory-bus.ts'
import { Sessions } from './sessions.ts'

const NOTIFICATION = 'notifications/tools/list_changed'
const open = (sessions: Sessions) =>
  (sessions.stream('one', new AbortController().signal).body as ReadableStream<Uint8Array>).getReader()
const textOf = async (reader: ReadableStreamDefaultReader<Uint8Array>) =>
  Buffer.from((await reader.read()).value ?? []).toString()

test('a stream whose client does not read is ended; one that is read goes on', async () => {
  const sessions = new Sessions(new MemoryBus(), 'secret')
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
