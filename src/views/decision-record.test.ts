import { expect, test } from 'vitest'
import type { DecisionRecord } from '../ports/ledger.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import { decisionRecord } from './decision-record.ts'

const record = {
  outcome: { stage: 'rules', reason: 'net profit (got -570573340108382438, needed at least 1)' },
  opportunity: { cycles: [], loan: {}, token: '0xt' },
  decision: {
    verdict: 'refuse',
    numbers: {},
    rules: [
      { rule: 'net profit', ok: false, got: '-570573340108382438', needed: '1', unit: 'wei', bound: 'min' },
      { rule: 'trading not halted', ok: false, got: 'halted', needed: 'running' },
    ],
  },
} as unknown as DecisionRecord
const manifest = {
  nativeSymbol: 'POL',
  tokens: [{ address: '0xt', symbol: 'T' }],
} as unknown as MarketManifest

test('the reason of a refusal by the rules is in whole coins', () => {
  expect(decisionRecord.of(record, manifest).outcome).toEqual({
    stage: 'rules',
    reason: 'net profit is -0.570573 POL (at least 1 wei needed); trading is halted',
  })
  expect(decisionRecord.of(record, undefined).outcome.reason).toContain('-0.570573 native coins')
})

test('the rules are in words with amounts in whole coins', () => {
  expect(decisionRecord.of(record, manifest).reasons).toEqual([
    { rule: 'net profit', ok: false, got: '-0.570573 POL', needed: 'at least 1 wei' },
    { rule: 'trading not halted', ok: false, got: 'halted', needed: 'running' },
  ])
})

test('the reason of a later stage is shown as recorded', () => {
  const outcome = { stage: 'simulation', reason: 'reverted' } as const
  const simulated = { ...record, outcome }
  expect(decisionRecord.of(simulated, manifest).outcome).toEqual(outcome)
})
