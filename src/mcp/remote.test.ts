/** Calls between services: the contract of the called tool holds at run time, in both directions. */
import { expect, test } from 'vitest'
import * as z from 'zod'
import type { ToolCall } from '../ports/fleet.ts'
import { rawAmount } from './fields.ts'
import { remoteTool } from './remote.ts'

const double = remoteTool({
  service: 'mathematician',
  tool: 'double',
  effect: 'read',
  input: { amount: rawAmount() },
  output: z.object({ doubled: rawAmount() }),
})

function fleetThatAnswers(answer: unknown) {
  const calls: ToolCall[] = []
  return {
    calls,
    call: async (call: ToolCall) => {
      calls.push(call)
      return answer
    },
  }
}

test('arguments go out as JSON, the answer comes back parsed; the effect is the declared one', async () => {
  const fleet = fleetThatAnswers({ doubled: '42' })
  const { signal } = new AbortController()
  expect(await double.call(fleet, { amount: 21n }, { signal })).toEqual({ doubled: 42n })
  expect(fleet.calls).toEqual([
    { service: 'mathematician', tool: 'double', effect: 'read', arguments: { amount: '21' }, signal },
  ])
})

test('an answer of another shape is refused, and the field named', async () => {
  for (const answer of [{ doubled: 42 }, {}, 'nothing', undefined])
    await expect(double.call(fleetThatAnswers(answer), { amount: 1n })).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringMatching(/^mathematician__double: the answer does not match its contract: /),
    })
  await expect(double.call(fleetThatAnswers({ doubled: 42 }), { amount: 1n })).rejects.toThrow('doubled')
})
