import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { lifetimeOf } from './call-lifetime.ts'

const request = new Request('http://localhost/mcp')
const connection = (writableFinished: boolean) => Object.assign(new EventEmitter(), { writableFinished })

test('a call ends when its client disconnects before the answer was sent', () => {
  const outgoing = connection(false)
  const { signal } = lifetimeOf(request, { outgoing })
  expect(signal.aborted).toBe(false)
  outgoing.emit('close')
  expect(signal.aborted).toBe(true)
})

test('a connection that closes after the answer does not end the call', () => {
  const outgoing = connection(true)
  const { signal } = lifetimeOf(request, { outgoing })
  outgoing.emit('close')
  expect(signal.aborted).toBe(false)
})

test('a call ends at its deadline, unless it was released before', async () => {
  const late = lifetimeOf(request, { outgoing: connection(false) }, { timeoutMs: 5 })
  const released = lifetimeOf(request, { outgoing: connection(false) }, { timeoutMs: 5 })
  released.release()
  await expect.poll(() => late.signal.aborted).toBe(true)
  expect((late.signal.reason as DOMException).name).toBe('TimeoutError')
  expect(released.signal.aborted).toBe(false)
})

test('a released call leaves no listener on its connection', () => {
  const outgoing = connection(false)
  lifetimeOf(request, { outgoing }).release()
  expect(outgoing.listenerCount('close')).toBe(0)
})

test('a call ends when its client cancels it, with the reason, with and without an adapter', () => {
  for (const env of [{ outgoing: connection(false) }, undefined]) {
    const cancel = new AbortController()
    const { signal } = lifetimeOf(request, env, { cancelled: cancel.signal })
    expect(signal.aborted).toBe(false)
    cancel.abort('changed my mind')
    expect([signal.aborted, signal.reason]).toEqual([true, 'changed my mind'])
  }
})
