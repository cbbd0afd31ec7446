import { expect, test } from 'vitest'
import { confirmed } from './confirm.ts'

test.each([
  ['y', true],
  ['Yes', true],
  ['', false],
  ['n', false],
  ['yep', false],
])('the answer %j: %s', async (answer, expected) => {
  const asked: string[] = []
  const ask = async (question: string) => {
    asked.push(question)
    return answer
  }
  expect(await confirmed('it stops', 'Stop them all?', ask)).toBe(expected)
  expect(asked).toEqual(['Stop them all? [y/N] '])
})

test('without a terminal it is refused, with the consequence and what to do', async () => {
  await expect(confirmed('stopping a also stops b', 'Stop them all?', undefined)).rejects.toMatchObject({
    code: 'not-confirmed',
    message: 'stopping a also stops b',
    hint: expect.stringContaining('--yes'),
  })
})
