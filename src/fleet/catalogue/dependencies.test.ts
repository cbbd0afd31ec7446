import { describe, expect, test } from 'vitest'
import {
  cascadeOf,
  type DependencyNode,
  impactOf,
  mermaidOf,
  mostNeeded,
  startOrder,
} from './dependencies.ts'

const node = (
  id: string,
  { cell = id, hard = [], soft = [] }: { cell?: string; hard?: string[]; soft?: string[] } = {},
): DependencyNode => ({ id, cell, hard, soft })

/**
 * database <- chain (hard) <- detector (soft); database <- feed, report (hard); report <- page (soft). Feed
 * and detector share a cell.
 */
const NODES = [
  node('page', { soft: ['report'] }),
  node('detector', { cell: 'trading', hard: ['database'], soft: ['chain'] }),
  node('feed', { cell: 'trading', hard: ['database'] }),
  node('report', { cell: 'analytics', hard: ['database'] }),
  node('chain', { hard: ['database'] }),
  node('database'),
  node('hub'),
]

describe('startOrder', () => {
  test('each wave depends on earlier waves only, hard and soft', () => {
    expect(startOrder(NODES)).toEqual([
      ['database', 'hub'],
      ['feed', 'report', 'chain'],
      ['page', 'detector'],
    ])
    expect(startOrder([])).toEqual([])
  })

  test('an id that is no node counts as available; a cycle is refused and named', () => {
    expect(startOrder([node('a', { hard: ['elsewhere'] })])).toEqual([['a']])
    const cycle = [node('a', { hard: ['b'] }), node('b', { soft: ['a'] }), node('c')]
    expect(() => startOrder(cycle)).toThrow('these depend on each other: a, b')
  })
})

describe('impactOf', () => {
  test('hard dependants cannot start, the other dependants are not ready', () => {
    expect(impactOf('database', NODES)).toEqual({
      cannotStart: ['detector', 'feed', 'report', 'chain'],
      notReady: ['page'],
      sameProcess: [],
    })
    expect(impactOf('chain', NODES)).toEqual({
      cannotStart: [],
      notReady: ['detector'],
      sameProcess: [],
    })
  })

  test('what shares its process, without itself', () => {
    expect(impactOf('feed', NODES)).toEqual({ cannotStart: [], notReady: [], sameProcess: ['detector'] })
  })

  test('an unknown service is refused', () => {
    expect(() => impactOf('nobody', NODES)).toThrow('unknown service "nobody"')
  })
})

describe('cascadeOf', () => {
  test('its own cell first, then the cells of its dependants, dependencies first, each once', () => {
    expect(cascadeOf('database', NODES)).toEqual(['database', 'trading', 'analytics', 'chain', 'page'])
    expect(cascadeOf('report', NODES)).toEqual(['analytics', 'page'])
  })

  test('a service without dependants restarts alone; an unknown one is refused', () => {
    expect(cascadeOf('page', NODES)).toEqual(['page'])
    expect(() => cascadeOf('nobody', NODES)).toThrow('unknown service')
  })
})

test('the nodes that most others depend on directly', () => {
  expect(mostNeeded(NODES, 2)).toEqual([
    { id: 'database', dependants: 4 },
    { id: 'report', dependants: 1 },
  ])
  expect(mostNeeded(NODES, 9).map(({ id }) => id)).toEqual(['database', 'report', 'chain'])
})

test('Mermaid: solid edges are hard, dotted ones soft; names without signs that it reserves', () => {
  expect(mermaidOf([node('mcp-a', { hard: ['hub'], soft: ['b'] }), node('hub')])).toBe(
    'graph LR\n  mcp_a --> hub\n  mcp_a -.-> b',
  )
})
