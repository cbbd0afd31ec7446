import { expect, test } from 'vitest'
import { PendingRequests } from './line-rpc.ts'

function open(timeoutMs = 10_000) {
  const sent: number[] = []
  const requests = new PendingRequests<string>({
    timeoutMs,
    unreachable: (reason) => new Error(`lost: ${reason}`),
  })
  return { sent, requests, request: () => requests.request((id) => sent.push(id)) }
}

test('answers reach their own requests, in any order, once', async () => {
  const { sent, requests, request } = open()
  const [first, second] = [request(), request()]
  expect(sent).toEqual([1, 2])
  requests.resolve(2, 'b')
  requests.resolve(1, 'a')
  requests.resolve(1, 'late')
  requests.resolve(7, 'unknown')
  expect(await Promise.all([first, second])).toEqual(['a', 'b'])
})

test('a request fails by its own error, by a lost connection, or after the timeout', async () => {
  const { requests, request } = open()
  const [refused, lost] = [request(), request()]
  requests.reject(1, new Error('refused'))
  requests.rejectAll('closed')
  await expect(refused).rejects.toThrow('refused')
  await expect(lost).rejects.toThrow('lost: closed')
  const after = request()
  requests.resolve(3, 'works again')
  expect(await after).toBe('works again')
  await expect(open(5).request()).rejects.toThrow('lost: no answer within 5 ms')
})
