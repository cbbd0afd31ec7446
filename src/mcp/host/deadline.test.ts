import { expect, test } from 'vitest'
import { withDeadline } from './deadline.ts'
import type { Detach } from './tasks.ts'

const options = { name: 'sum', timeoutMs: 20 }
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('work that ends in time is returned, and its signal stays unaborted', async () => {
  let given: AbortSignal | undefined
  const result = await withDeadline(options, async (signal) => {
    given = signal
    return 7
  })
  await sleep(40)
  expect([result, given?.aborted]).toEqual([7, false])
})

test('the deadline ends work that ignores its signal', async () => {
  await expect(withDeadline(options, () => new Promise(() => undefined))).rejects.toMatchObject({
    code: 'deadline-exceeded',
    message: 'sum did not finish within 20 ms',
  })
})

test.each(['before', 'during'])('a caller that disconnects %s the call cancels it', async (when) => {
  const caller = new AbortController()
  if (when === 'before') caller.abort()
  const call = withDeadline({ ...options, timeoutMs: 60_000, signal: caller.signal }, untilAborted)
  caller.abort()
  await expect(call).rejects.toMatchObject({ code: 'cancelled' })
})

test('a detached call outlives its deadline and its caller, and ends with its task', async () => {
  const caller = new AbortController()
  const task = new AbortController()
  let detach: Detach | undefined
  let ended = false
  const call = withDeadline(
    { ...options, signal: caller.signal, onDetach: (way) => (detach = way) },
    untilAborted,
  )
  call.catch(() => (ended = true))
  detach?.(task.signal)
  caller.abort()
  await sleep(40)
  expect(ended).toBe(false)
  task.abort()
  await expect(call).rejects.toMatchObject({ code: 'cancelled' })
})
