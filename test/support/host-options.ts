/** Options of a host under test: neutral defaults that a test overrides. */
import { LOOPBACK_NAMES } from '../../src/mcp/host/access.ts'
import type { HostOptions } from '../../src/mcp/host/host.ts'
import { MemoryRecords } from './memory-records.ts'

export function hostOptions(change: Partial<HostOptions> = {}): HostOptions {
  const records = new MemoryRecords(change.now)
  return {
    title: 'Test',
    category: 'test',
    version: '1',
    port: 1,
    maxConcurrent: 64,
    loopDelayMs: () => 0,
    timeoutMs: 10_000,
    now: Date.now,
    readiness: () => undefined,
    records: async () => records,
    access: { tokenHash: undefined, required: false, beyondLoopback: false, hostnames: LOOPBACK_NAMES },
    ...change,
  }
}
