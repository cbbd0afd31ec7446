import { describe, expect, test } from 'vitest'
import { HEALING, type HealingPolicy } from '../healing/state.ts'
import type { Fault } from './faults.ts'
import { SIMULATED_FLEET, simulate } from './simulator.ts'

describe('a fleet in virtual time', () => {
  test('hundreds of hours with every kind of fault: all invariants hold, and everything recovers', {
    timeout: 120_000,
  }, () => {
    for (let seed = 1; seed <= 60; seed++) {
      const report = simulate({ seed, hours: 4, faultEveryMs: 60_000 })
      expect(report.violations).toEqual([])
    }
  })

  test('kills from outside move no service out of its cell, however many; crashes do', () => {
    const often = (faults: readonly Fault[]) => simulate({ seed: 3, hours: 2, faultEveryMs: 4_000, faults })
    const killed = often(['kill'])
    expect([killed.violations, killed.isolations]).toEqual([[], 0])
    expect(killed.faults.kill).toBeGreaterThan(1_500)
    for (const faults of [['crash'], ['out-of-memory']] as const)
      expect(often(faults).isolations).toBeGreaterThan(0)
  })

  test('the same seed plays the same run', () => {
    const once = simulate({ seed: 5, hours: 1, faultEveryMs: 20_000 })
    expect(simulate({ seed: 5, hours: 1, faultEveryMs: 20_000 })).toEqual(once)
    expect(simulate({ seed: 6, hours: 1, faultEveryMs: 20_000 }).steps).not.toBe(once.steps)
  })

  test('without faults each unit starts once, and services are always ready', () => {
    const report = simulate({ seed: 1, hours: 24, faultEveryMs: Number.MAX_SAFE_INTEGER })
    expect(report.violations).toEqual([])
    expect(report.starts).toBe(SIMULATED_FLEET.length + HEALING.spares)
    expect(report.availability).toBeGreaterThan(0.9999)
  })

  test('on a starved machine nothing is replaced, and no deadline passes', { timeout: 120_000 }, () => {
    for (let seed = 1; seed <= 10; seed++) {
      const report = simulate({ seed, hours: 4, faultEveryMs: 100_000, faults: ['starved'] })
      expect(report.violations).toEqual([])
      expect(report.faults.starved).toBeGreaterThan(100)
      expect(report.starts).toBe(SIMULATED_FLEET.length + HEALING.spares)
    }
  })

  test('on a starved machine failures are healed, and what hangs is found', { timeout: 120_000 }, () => {
    for (let seed = 1; seed <= 10; seed++) {
      const faults = ['starved', 'hang', 'crash'] as const
      expect(simulate({ seed, hours: 4, faultEveryMs: 30_000, faults }).violations).toEqual([])
    }
  })

  test('a wrong policy violates an invariant, reported with its seed', () => {
    const impatient: HealingPolicy = {
      ...HEALING,
      maxFailures: Number.POSITIVE_INFINITY,
      backoff: { firstMs: 0, maxMs: 0 },
    }
    const run = (policy: HealingPolicy) =>
      Array.from({ length: 5 }, (_, seed) =>
        simulate({ seed, hours: 1, faultEveryMs: 30_000, faults: ['bad-service', 'crash'], policy }),
      ).flatMap((report) => report.violations)
    const [violations, stormy] = [run(HEALING), run(impatient)]
    expect(violations).toEqual([])
    expect(stormy.join('\n')).toMatch(/was started \d+ times within/)
    expect(stormy.join('\n')).toMatch(/seed \d/)
  })
})
