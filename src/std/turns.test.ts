import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

const gate = () => Promise.withResolvers<void>()

test('few run at once; the others follow in their order, whatever happens to those before', async () => {
  const turns = new Turns({ max: 2, maxWaiting: 10, maxClientWaiting: 10 })
  const gates = Array.from({ length: 5 }, gate)
  const begun: number[] = []
  const works = gates.map(({ promise }, index) =>
    turns.run('ada', async () => {
      begun.push(index)
      await promise
      return index
    }),
  )
  await Promise.resolve()
  expect(begun).toEqual([0, 1])
  gates[1]?.reject(new Error('broken'))
  await expect(works[1]).rejects.toThrow('broken')
  expect(begun).toEqual([0, 1, 2])
  gates[0]?.resolve()
  await works[0]
  expect(begun).toEqual([0, 1, 2, 3])
  for (const { resolve } of gates) resolve()
  expect(await Promise.all([works[0], ...works.slice(2)])).toEqual([0, 2, 3, 4])
})

test('too many that wait are refused in words, those of one client before those of others', async () => {
  const turns = new Turns({ max: 1, maxWaiting: 3, maxClientWaiting: 2 })
  const { promise, resolve } = gate()
  const run = (client: string) => turns.run(client, () => promise)
  const admitted = [run('ada'), run('ada'), run('ada')]
  await expect(run('ada')).rejects.toMatchObject({
    code: 'busy',
    retry: 'later',
    message: '2 reads of ada wait already, the maximum for one client',
  })
  admitted.push(run('eve'))
  await expect(run('eve')).rejects.toMatchObject({
    code: 'busy',
    message: '3 reads wait already, the maximum',
  })
  resolve()
  await Promise.all(admitted)
  await expect(run('ada')).resolves.toBeUndefined()
})
