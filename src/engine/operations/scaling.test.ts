/** Scaling policies: partial changes, refusals, and policies stored by earlier versions. */
import { expect, test } from 'vitest'
import { InMemoryLedger } from '../../../test/support/in-memory-ledger.ts'
import { KintsugiError } from '../../std/errors.ts'
import { changeScalingPolicy, DEFAULT_SCALING, scalingPolicies, scalingPolicyOf } from './scaling.ts'

function context() {
  const ledger = new InMemoryLedger()
  const fleet = {
    service: async (id: string) => {
      if (id === 'nobody') throw new KintsugiError('unknown-service', 'unknown service "nobody"')
      return { id } as never
    },
    scalable: async () => ['a', 'b'],
  }
  return { ledger, fleet }
}

test('a partial change keeps the other fields of the present policy, and the policies of other services', async () => {
  const ports = context()
  expect(await scalingPolicyOf(ports, 'a')).toEqual(DEFAULT_SCALING)
  await changeScalingPolicy(ports, 'b', { maxInstances: 2 })
  await changeScalingPolicy(ports, 'a', { minInstances: 2, maxInstances: 5, outAt: 9 })
  const changed = await changeScalingPolicy(ports, 'a', { outAt: 4, inAt: undefined })
  expect(changed).toEqual({ ...DEFAULT_SCALING, minInstances: 2, maxInstances: 5, outAt: 4 })
  expect(await scalingPolicyOf(ports, 'a')).toEqual(changed)
  expect((await scalingPolicyOf(ports, 'b')).maxInstances).toBe(2)
})

test.each([
  ['nobody', {}, 'unknown-service'],
  ['alone', {}, 'not-scalable'],
  ['a', { minInstances: 4 }, 'bad-argument'],
])('%s with %j is refused as %s, and nothing is stored', async (service, change, code) => {
  const ports = context()
  await expect(changeScalingPolicy(ports, service, change)).rejects.toMatchObject({ code })
  expect(await scalingPolicies(ports.ledger)).toEqual({})
})

test('a policy that an earlier version stored keeps its limits', async () => {
  const ports = context()
  const rest = { outAt: 7, inAt: 1, outAfterMs: 9_000, inAfterMs: 70_000 }
  await ports.ledger.saveSetting('scaling', { a: { least: 2, most: 4, ...rest } })
  expect(await scalingPolicyOf(ports, 'a')).toEqual({ minInstances: 2, maxInstances: 4, ...rest })
  const changed = await changeScalingPolicy(ports, 'a', { maxInstances: 6 })
  expect(changed).toEqual({ minInstances: 2, maxInstances: 6, ...rest })
})
