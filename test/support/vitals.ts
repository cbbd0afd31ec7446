/** Vitals of a cell with two idle services, as a test's starting point. */
import type { CellVitals } from '../../src/ports/fleet.ts'

export const MB = 2 ** 20
export const idle = { calls: 0, errors: 0, durationMs: 0, running: 0, shed: 0 }

/** 100 MB resident, 60 MB of heap used of 1,235 MB; services `a` and `b`. */
export const vitals = (change: Partial<CellVitals> = {}): CellVitals => ({
  process: 'p1',
  pid: 1,
  rss: 100 * MB,
  heapUsed: 60 * MB,
  heapLimit: 1_235 * MB,
  collected: null,
  loopDelayMs: 21,
  cpuMs: 0,
  services: { a: idle, b: idle },
  ...change,
})
