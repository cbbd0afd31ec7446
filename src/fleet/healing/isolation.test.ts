import { describe, expect, test } from 'vitest'
import { cellSpec, DrivenFleet, type Exit } from '../../../test/support/driven-fleet.ts'
import { describeExit, type ExitCause, exitCause, exitCauseOfCode } from '../exit-cause.ts'
import { blame, halves, suspectsOf } from './isolation.ts'
import { HEALING } from './state.ts'

const CALLS = [
  { service: 's', tool: 'ask', count: 2 },
  { service: 't', tool: 'ask', count: 1 },
  { service: 's', tool: 'tell', count: 1 },
]
const killed: ExitCause = { kind: 'signal', signal: 'SIGKILL' }

describe('suspectsOf', () => {
  const suspects = (cause: ExitCause, rest: { hung?: boolean; deliberate?: boolean } = {}) =>
    suspectsOf({ cause, calls: CALLS, hung: false, deliberate: false, ...rest })

  test.each<[string, ExitCause]>([
    ['an exit code', { kind: 'exit', code: 7 }],
    ['a crash', { kind: 'signal', signal: 'SIGSEGV' }],
    ['an abort, as when the heap is full', { kind: 'signal', signal: 'SIGABRT' }],
    ['an end for lack of memory', { kind: 'out-of-memory' }],
    ['an unobserved exit', { kind: 'unobserved' }],
    ['a removal whose reason names a signal', { kind: 'removed', reason: 'SIGKILL' }],
  ])('%s: each service with calls in flight, once', (_name, cause) => {
    expect(suspects(cause)).toEqual(['s', 't'])
  })

  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'])('%s from outside makes no service a suspect', (signal) => {
    expect(suspects({ kind: 'signal', signal })).toEqual([])
  })

  test('a process killed because it hung suspects its calls; a deliberate exit never does', () => {
    expect(suspects(killed, { hung: true })).toEqual(['s', 't'])
    expect(suspects(killed, { hung: true, deliberate: true })).toEqual([])
    expect(suspects({ kind: 'exit', code: 7 }, { deliberate: true })).toEqual([])
  })
})

describe('blame', () => {
  test('a single suspect is blamed; several, or none, are not; old blame is forgotten at its limit', () => {
    const once = blame({}, ['s'], 'first', 1_000, 500)
    expect(once).toEqual({ s: [{ at: 1_000, detail: 'first' }] })
    expect(blame(once, ['s', 't'], 'both', 1_100, 500)).toEqual(once)
    expect(blame(once, [], 'nobody', 1_499, 500)).toEqual(once)
    expect(blame(once, [], 'nobody', 1_500, 500)).toEqual({})
    expect(blame(once, ['s'], 'again', 1_400, 500).s).toHaveLength(2)
  })

  test('a service is isolated at the failure that reaches the limit, not before', () => {
    for (const isolateAfter of [1, 2, 3]) {
      const fleet = new DrivenFleet([cellSpec('a', ['s', 't'])], {
        ...HEALING,
        isolateAfter,
        halveAfter: 100,
      })
      for (let failure = 1; failure <= isolateAfter; failure++) {
        expect(fleet.unit('a').spec.services).toEqual(['s', 't'])
        fleet.ready('a', fleet.now + 5_000)
        fleet.exit('a', fleet.now + 5_000, { calls: ['t'] })
      }
      expect(fleet.unit('a').spec.services).toEqual(['s'])
      expect(fleet.unit('t').spec).toMatchObject({ services: ['t'], home: 'a' })
    }
  })

  test('kills from outside isolate no service, even if a call was in flight each time', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s', 't'])], { ...HEALING, halveAfter: 100 })
    for (let kill = 0; kill < 5; kill++) {
      fleet.ready('a', fleet.now + 20_000)
      fleet.exit('a', fleet.now + 20_000, { cause: killed, calls: ['t'] })
    }
    expect(fleet.unit('a').spec.services).toEqual(['s', 't'])
    expect(fleet.state.blame).toEqual({})
  })
})

test('without a suspect a cell is split at every fourth failure, and not in between', () => {
  const fleet = new DrivenFleet([cellSpec('a', ['s', 't', 'u', 'v', 'w'])])
  const servicesAfter = (failures: number) => {
    for (let failure = 0; failure < failures; failure++) {
      fleet.ready('a', fleet.now + 3_000)
      fleet.exit('a', fleet.now + 3_000, { calls: ['s', 't'] })
    }
    return fleet.unit('a').spec.services
  }
  expect(servicesAfter(3)).toEqual(['s', 't', 'u', 'v', 'w'])
  expect(servicesAfter(1)).toEqual(['s', 't', 'u'])
  expect(fleet.unit('a~v').spec.services).toEqual(['v', 'w'])
  expect(servicesAfter(3)).toEqual(['s', 't', 'u'])
  expect(servicesAfter(1)).toEqual(['s', 't'])
})

test('kills from outside split no cell, and do not count toward the failures that do', () => {
  const fleet = new DrivenFleet([cellSpec('a', ['s', 't', 'u', 'v'])])
  const fails = (exit: Exit, times: number) => {
    for (let failure = 0; failure < times; failure++) {
      fleet.ready('a', fleet.now + 3_000)
      fleet.exit('a', fleet.now + 3_000, exit)
    }
    return fleet.unit('a').spec.services
  }
  const outside = { cause: killed, calls: ['s'] }
  const own = { calls: ['s', 't'] }
  // Nine failures within a minute: the tenth would quarantine.
  expect(fails(outside, 3)).toEqual(['s', 't', 'u', 'v'])
  expect(fails(own, 3)).toEqual(['s', 't', 'u', 'v'])
  expect(fails(outside, 1)).toEqual(['s', 't', 'u', 'v'])
  expect(fails(own, 1)).toEqual(['s', 't'])
  expect(fails(outside, 1)).toEqual(['s', 't'])
})

test('services that a running process released come home in a successor: their sockets are closed in that process', () => {
  const fleet = new DrivenFleet([cellSpec('a', ['s', 't', 'u'])])
  fleet.ready('a', 100)
  const first = fleet.process('a')
  const isolateAndReturn = (at: number) => {
    fleet.send({ type: 'isolate', service: 't', reason: 'busy' }, at)
    fleet.ready('t', at + 100)
    fleet.ready('a', at + 100)
    fleet.send({ type: 'bring-home', service: 't' }, at + 200)
    return fleet.exit('t', at + 300)
  }
  const effects = isolateAndReturn(10_000)
  const successor = fleet.unit('a').successor?.process as string
  expect(effects.filter(({ type }) => type === 'host')).toMatchObject([
    { process: successor, services: ['s', 'u', 't'], hold: true },
  ])
  expect(successor).not.toBe(first)
  fleet.exit('a', 11_000)
  expect(fleet.process('a')).toBe(successor)
  // The new process has released nothing.
  expect(fleet.unit('a').released).toBeUndefined()
  // What crashed before was never opened in the process that started without it: it may host it.
  for (const at of [20_000, 30_000]) {
    fleet.ready('a', at)
    fleet.exit('a', at + 5_000, { calls: ['s'] })
  }
  expect(fleet.unit('a').spec.services).toEqual(['u', 't'])
  fleet.ready('a', 36_000)
  fleet.ready('s', 36_000)
  fleet.send({ type: 'bring-home', service: 's' }, 37_000)
  expect(fleet.exit('s', 38_000).filter(({ type }) => type === 'host')).toMatchObject([
    { process: fleet.process('a'), services: ['s'], hold: false },
  ])
})

test('halves: the first one is the longer one', () => {
  expect(halves(['a', 'b', 'c'])).toEqual([['a', 'b'], ['c']])
  expect(halves(['a', 'b'])).toEqual([['a'], ['b']])
})

test('exit causes: from codes and signals, and in words', () => {
  expect(exitCause(7, null)).toEqual({ kind: 'exit', code: 7 })
  expect(exitCause(null, 'SIGKILL')).toEqual({ kind: 'signal', signal: 'SIGKILL' })
  expect(exitCause(null, null)).toEqual({ kind: 'unobserved' })
  expect(exitCauseOfCode(137)).toEqual(killed)
  expect(exitCauseOfCode(0)).toEqual({ kind: 'exit', code: 0 })
  expect(describeExit({ kind: 'exit', code: 7 })).toBe('exited with code 7')
  expect(describeExit(killed)).toBe('killed by SIGKILL')
  expect(describeExit({ kind: 'out-of-memory' })).toBe('killed by the kernel: out of memory')
})
