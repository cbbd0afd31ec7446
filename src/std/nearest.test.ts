import { expect, test } from 'vitest'
import { nearest } from './nearest.ts'

const names = ['feed__price_query', 'feed__price_history', 'dex-aggregator__find_route', 'a__b']

test.each([
  ['price_query', ['feed__price_query']],
  ['price_quer', ['feed__price_query']],
  ['feed__price_qurey', ['feed__price_query']],
  ['PRICE-QUERY', ['feed__price_query']],
  ['dex_aggregator__find_routes', ['dex-aggregator__find_route']],
  ['stop_everything', []],
  ['c', ['a__b']],
  ['', []],
  ['x'.repeat(101), []],
])('%s suggests %j', (name, expected) => {
  expect(nearest(name, names)).toEqual(expected)
})

test('at most three suggestions, the most similar first', () => {
  const candidates = [
    's__price_queryxx',
    's__price_queryx',
    's__price_query',
    's__price_querz',
    's__price_qu',
  ]
  expect(nearest('price_query', candidates)).toEqual(['s__price_query', 's__price_queryx', 's__price_querz'])
})
