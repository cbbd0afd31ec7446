/**
 * A cascade restarts every cell that depends on a service, dependencies first, but not the cell that does it.
 */
import { expect, test } from 'vitest'
import { cascadeRestart } from './cascade.ts'

const node = (id: string, cell: string, ...hard: string[]) => ({ id, cell, hard, soft: [] })
const NODES = [
  node('page', 'web', 'report'),
  node('report', 'analytics', 'database'),
  node('coordinator', 'coordination', 'database'),
  node('database', 'database'),
  node('chain', 'chain'),
]

test.each([
  ['database', ['database', 'analytics', 'web'], ['coordination']],
  ['report', ['analytics', 'web'], []],
  ['coordinator', [], ['coordination']],
])('from %s', async (service, restarted, left) => {
  const orders: string[] = []
  const progress: unknown[] = []
  const fleet = {
    dependencies: async () => NODES,
    restart: async (cell: string, reason?: string) => {
      orders.push(`${cell}: ${reason}`)
      return {} as never
    },
  }
  const cascade = await cascadeRestart(
    fleet,
    service,
    { own: 'coordinator', by: 'ada' },
    (...args) => void progress.push(args),
  )
  expect([...cascade.restarted].sort()).toEqual([...restarted].sort())
  expect(cascade.left).toEqual(left)
  expect(orders).toEqual(cascade.restarted.map((cell) => `${cell}: cascade from ${service}, by ada`))
  expect(orders.findIndex((order) => order.startsWith('analytics'))).toBeLessThanOrEqual(
    orders.findIndex((order) => order.startsWith('web')),
  )
  const total = restarted.length + left.length
  expect(progress.map((args) => (args as unknown[]).slice(0, 2))).toEqual(
    Array.from({ length: total }, (_, index) => [index, total]),
  )
})
