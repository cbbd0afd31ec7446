/** The contract: Foundry's tests, and the artifacts equal the compiled sources. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { foundryBinary } from '../src/adapters/binaries.ts'

const root = join(import.meta.dirname, '..')

test('compiling reproduces the artifacts byte for byte', { timeout: 120_000 }, () => {
  const result = spawnSync(process.execPath, ['scripts/contracts.ts', '--check'], {
    cwd: root,
    encoding: 'utf8',
  })
  expect(result.stderr.replace(/.*(Warning|warn).*\n?/g, '')).not.toContain('differs')
  expect(result.status).toBe(0)
})

test("Foundry's tests pass, offline", { timeout: 240_000 }, () => {
  const result = spawnSync(foundryBinary('forge'), ['test', '--json'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, FOUNDRY_DISABLE_NIGHTLY_WARNING: '1' },
  })
  const suites = JSON.parse(result.stdout.slice(result.stdout.indexOf('{'))) as Record<
    string,
    { test_results: Record<string, { status: string; reason?: string }> }
  >
  const results = Object.values(suites).flatMap((suite) => Object.entries(suite.test_results))
  expect(results.filter(([, { status }]) => status !== 'Success')).toEqual([])
  expect(results.length).toBeGreaterThanOrEqual(18)
})
