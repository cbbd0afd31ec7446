import { expect, test } from 'vitest'
import { World } from '../../test/support/harness.ts'
import { opportunity } from './opportunities.ts'

test('the value of a profit is in whole quote tokens, and null for a token without a price', () => {
  const world = new World()
  const { market } = world
  const found = { ...world.opportunity(), token: market.token('USDC').address, profit: 2_500_000n }
  expect(opportunity.of(found, market).value).toBe(2.5)
  const unpriced = { ...found, token: market.token('LOST').address }
  expect(opportunity.of(unpriced, market).value).toBeNull()
})
