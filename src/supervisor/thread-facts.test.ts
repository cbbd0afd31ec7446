import { expect, test } from 'vitest'
import { threadFacts } from './thread-facts.ts'

const proc = (stat: string, schedstat: string) => (path: string) => {
  if (path === '/proc/7/stat') return stat
  if (path === '/proc/7/schedstat') return schedstat
  throw new Error(`ENOENT ${path}`)
}
const fields = '1 7 7 0 -1 4194304 100 0 0 0 12 3 0 0'

test('state and times of a main thread, with any name', () => {
  expect(threadFacts(7, proc(`7 (node) R ${fields}`, '4378520 2233267 4\n'))).toEqual({
    state: 'runnable',
    ranMs: 4.37852,
    waitedMs: 2.233267,
  })
  expect(threadFacts(7, proc(`7 (a) R (b) S ${fields}`, '1 0 1\n'))?.state).toBe('asleep')
  expect(threadFacts(7, proc(`7 (node) T ${fields}`, '1 0 1\n'))?.state).toBe('stopped')
  expect(threadFacts(7, proc(`7 (node) t ${fields}`, '1 0 1\n'))?.state).toBe('stopped')
  expect(threadFacts(7, proc(`7 (node) D ${fields}`, '1 0 1\n'))?.state).toBe('asleep')
})

test('no facts without /proc, and where the kernel does not account', () => {
  const none = () => {
    throw new Error('ENOENT')
  }
  expect(threadFacts(7, none)).toBeUndefined()
  expect(threadFacts(7, proc(`7 (node) R ${fields}`, '0 0 0\n'))).toBeUndefined()
  expect(threadFacts(7, proc(`7 (node) R ${fields}`, 'nonsense'))).toBeUndefined()
})

test.runIf(process.platform === 'linux')('this process, as the kernel shows it', () => {
  const before = threadFacts(process.pid)
  const until = performance.now() + 20
  while (performance.now() < until);
  const after = threadFacts(process.pid)
  expect(after?.state).toBe('runnable')
  expect(after?.ranMs).toBeGreaterThan(before?.ranMs ?? Number.POSITIVE_INFINITY)
})
