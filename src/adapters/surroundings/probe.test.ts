import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { within } from './probe.ts'

/** A server on a thread of its own: it answers while this one is busy. */
const SERVER = `
  const { createServer } = require('node:net')
  const server = createServer((socket) => socket.on('data', () => socket.write('pong')))
  server.listen(0, '127.0.0.1', () => require('node:worker_threads').parentPort.postMessage(server.address().port))
`

test('an answer that has arrived counts, although this process was late itself; silence does not', async () => {
  const worker = new Worker(SERVER, { eval: true })
  const [port] = (await once(worker, 'message')) as [number]
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const ask = (text: string) =>
    within(
      100,
      async () => {
        if (text !== '') socket.write(text)
        const [data] = (await once(socket, 'data')) as [Buffer]
        return data.toString()
      },
      () => new Error('late'),
    )
  const answer = ask('ping')
  await turn()
  const until = performance.now() + 500
  while (performance.now() < until);
  await expect(answer).resolves.toBe('pong')
  await expect(ask('')).rejects.toThrow('late')
  socket.destroy()
  await worker.terminate()
})
