import { expect, test } from 'vitest'
import { priceConfidence, priceFaults } from './price-quality.ts'

test.each([
  // A single pool counts half, each further pool halves the rest.
  [0, 1, 0.5],
  [0, 2, 0.75],
  [0, 3, 0.875],
  // Each percent of dispersion takes a fifth.
  [0.01, 1, 0.4],
  [0.025, 2, 0.375],
  [0.05, 9, 0],
  [0.2, 9, 0],
  [0, 0, 0],
])('dispersion %s over %s pools: confidence %s', (dispersion, pools, expected) => {
  expect(priceConfidence({ dispersion, pools })).toBeCloseTo(expected, 12)
})

const check = { ageMs: 10, confidence: 0.9, oracleDeviationPercent: 1, failure: undefined }
const limits = { maxAgeMs: 10, maxDeviationPercent: 1 }

test('a price at its limits is valid, also without an oracle', () => {
  expect(priceFaults(check, limits)).toEqual([])
  expect(priceFaults({ ...check, oracleDeviationPercent: null }, limits)).toEqual([])
})

test.each([
  [{ ageMs: 11 }, /11 ms old/],
  [{ oracleDeviationPercent: 1.01 }, /1.01 % from the oracle/],
  [{ oracleDeviationPercent: -1.01 }, /-1.01 % from the oracle/],
  [{ failure: 'the node does not answer' }, /the node does not answer/],
  [{ confidence: 0.29 }, /confidence 0.29/],
])('%j is a fault', (change, words) => {
  expect(priceFaults({ ...check, ...change }, limits)).toEqual([expect.stringMatching(words)])
})
