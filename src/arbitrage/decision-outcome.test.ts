import { describe, expect, test } from 'vitest'
import { type Decision, outcomeOf, outcomeText, refusalTexts, refusedBy, withOutcome } from './index.ts'

const passed = { rule: 'net profit', ok: true, got: '3', needed: 'at least 1' }
const failed = { rule: 'opportunity is fresh', ok: false, got: '4 blocks old', needed: 'at most 1' }
const halted = { rule: 'trading not halted', ok: false, got: 'halted', needed: 'running' }
const decision = (verdict: Decision['verdict'], rules: Decision['rules']) => ({ verdict, rules }) as Decision

describe('an outcome', () => {
  test('of the rules lists each that failed with its numbers', () => {
    const refused = decision('refuse', [failed, passed, halted])
    const record = { decision: refused, outcome: outcomeOf(refused) }
    expect(record.outcome).toEqual({
      stage: 'rules',
      reason:
        'opportunity is fresh (got 4 blocks old, needed at most 1); trading not halted (got halted, needed running)',
    })
    expect(refusedBy(record)).toBe('opportunity is fresh')
    expect(refusalTexts(record, 'MATIC')).toEqual([
      'the opportunity is 4 blocks old (at most 1 allowed)',
      'trading is halted',
    ])
    expect(outcomeText(record)).toBe(`refused at rules: ${record.outcome.reason}`)
  })

  test('of a later stage names the stage, since no rule failed', () => {
    const record = {
      decision: decision('refuse', [passed]),
      outcome: { stage: 'simulation', reason: 'unprofitable (profit 3, needed 5)' },
    } as const
    expect(refusedBy(record)).toBe('simulation')
    expect(refusalTexts(record, 'MATIC')).toEqual([
      'refused at simulation: unprofitable (profit 3, needed 5)',
    ])
  })

  test('of a trade has no reason; an intended end is not a refusal', () => {
    const sent = { decision: decision('trade', [passed]), outcome: { stage: 'sent', reason: '' } } as const
    expect([refusedBy(sent), refusalTexts(sent, 'MATIC'), outcomeText(sent)]).toEqual([null, [], 'sent'])
    expect(outcomeOf(sent.decision)).toEqual({ stage: 'pending', reason: '' })
    const paper = {
      decision: decision('refuse', [passed]),
      outcome: { stage: 'paper', reason: 'paper mode sends nothing' },
    } as const
    expect(outcomeText(paper)).toBe('not sent: paper mode sends nothing')
  })
})

describe('a decision recorded before outcomes existed', () => {
  const simulated = {
    rule: 'simulation on the pending block',
    ok: false,
    got: 'profit 3',
    needed: 'profit of at least 5',
  }
  const unworthy = {
    rule: 'worth sending',
    ok: false,
    got: 'the simulation says no',
    needed: 'a simulation that earns',
  }
  test.each([
    ['simulation', 'refuse', [passed, simulated, unworthy], 'got profit 3, needed profit of at least 5'],
    [
      'paper',
      'refuse',
      [
        passed,
        { ...simulated, ok: true },
        { rule: 'paper mode: everything but sending', ok: false, got: 'paper', needed: 'local' },
      ],
      'got paper, needed local',
    ],
    [
      'sending',
      'refuse',
      [
        passed,
        { rule: 'sending', ok: false, got: 'the signer refused', needed: 'signed, recorded and sent' },
      ],
      'got the signer refused, needed signed, recorded and sent',
    ],
    ['sent', 'trade', [passed, { ...simulated, ok: true }], ''],
  ] as const)('ended at %s', (stage, verdict, rules, reason) => {
    const read = withOutcome({ decision: decision(verdict, rules) })
    expect(read.outcome).toEqual({ stage, reason })
    expect(read.decision.rules).toEqual([passed])
  })

  test('or at the rules', () => {
    const read = withOutcome({ decision: decision('refuse', [failed]) })
    expect(read.outcome.stage).toBe('rules')
    expect(read.decision.rules).toEqual([failed])
  })

  test('one with an outcome is not changed', () => {
    const record = {
      decision: decision('trade', [passed]),
      outcome: { stage: 'pending', reason: '' } as const,
    }
    expect(withOutcome(record)).toEqual(record)
  })
})
