import { expect, test } from 'vitest'
import { stopConsequences } from './stopping.ts'

const service = (id: string, cell: string, kind = 'server') => ({ id, cell, kind })
const SERVICES = [
  service('a', 'trading'),
  service('b', 'trading'),
  service('c', 'c'),
  service('hub', 'hub', 'infrastructure'),
  service('localnet', 'localnet', 'infrastructure'),
  service('chain', 'localnet', 'infrastructure'),
]

test('stopping a service stops what shares its process; infrastructure is named as such', () => {
  const of = (id: string) => stopConsequences(SERVICES, id)
  expect(of('a')).toEqual({ alsoStops: ['b'], isInfrastructure: false })
  expect(of('c')).toEqual({ alsoStops: [], isInfrastructure: false })
  expect(of('trading')).toEqual({ alsoStops: ['a', 'b'], isInfrastructure: false })
  expect(of('hub')).toEqual({ alsoStops: [], isInfrastructure: true })
  expect(of('chain')).toEqual({ alsoStops: ['localnet'], isInfrastructure: true })
  expect(() => of('nobody')).toThrow(/unknown service "nobody"/)
})
