/** The types of the bus: `tsc` checks each `@ts-expect-error`, vitest runs nothing of it against a hub. */
import { expect, test } from 'vitest'
import type { Bus } from './bus.ts'

/** Never called: only its types matter. */
function misuse(bus: Bus): void {
  bus.subscribe('trades', ({ realisedProfit }) => realisedProfit + 1n)
  bus.subscribe('prices', ({ rows }) => rows[0]?.feePercent.toFixed(2))
  // @ts-expect-error no channel has this name
  bus.subscribe('trade', () => undefined)
  // @ts-expect-error a decision is not a detection
  bus.publish('opportunities', { id: '1', block: 1, verdict: 'trade', refusedBy: null })
  // @ts-expect-error the message lacks `refusedBy`
  bus.publish('decisions', { id: '1', block: 1, verdict: 'trade' })
  // @ts-expect-error no key has this name
  void bus.get('gateway:breaker')
  // @ts-expect-error a session's state holds no breakers
  void bus.set('mcp:session:1', { breakers: [] }, 1_000)
}

test('channels and keys of the bus are checked by the compiler', () => {
  expect(misuse).toBeTypeOf('function')
})
