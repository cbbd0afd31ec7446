/** The official conformance suite: of servers through the gateway, with the reference server behind it; of clients with ours. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from './support/fleet.ts'

const suite = join(
  dirname(createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json')),
  'dist/index.js',
)
const fleet = new Fleet(20_000)
const folder = mkdtempSync(join(tmpdir(), 'kintsugi-conformance-'))
beforeAll(async () => void (await fleet.start()))
afterAll(async () => {
  await fleet.dispose()
  rmSync(folder, { recursive: true, force: true })
})

interface Check {
  id: string
  status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO'
  errorMessage?: string
}

/** What a run of the suite found. It ends with an error where a check failed: the checks say which. */
async function checksOf(
  mode: 'server' | 'client',
  revision: string,
  args: readonly string[],
): Promise<(Check & { scenario: string })[]> {
  const out = join(folder, mode, revision)
  await promisify(execFile)(process.execPath, [suite, mode, ...args, '--requirements', revision, '-o', out], {
    timeout: 110_000,
  }).catch(() => undefined)
  return readdirSync(out, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('checks.json'))
    .flatMap((file) =>
      (JSON.parse(readFileSync(join(out, file), 'utf8')) as Check[]).map((check) => ({
        ...check,
        scenario: dirname(file),
      })),
    )
}

const bad = (checks: readonly Check[]) =>
  checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
const good = (checks: readonly Check[]) => checks.filter(({ status }) => status === 'SUCCESS').length

/** `least`: checks there are, so that a suite which ran nothing does not pass. */
test.each([
  { revision: '2026-07-28', least: 190 },
  { revision: '2025-11-25', least: 80 },
])('every check of $revision, extensions too', { timeout: 120_000 }, async ({ revision, least }) => {
  const checks = await checksOf('server', revision, ['--url', fleet.url(8000, '/mcp/mcp_server_base')])
  expect(bad(checks)).toEqual([])
  expect(good(checks)).toBeGreaterThanOrEqual(least)
})

/** Ways to get a token that the revision does not require of clients, and that ours does not know. */
const NOT_REQUIRED = /client-credentials|enterprise-managed|dpop|wif-jwt/

test.each([
  { revision: '2026-07-28', least: 450 },
  { revision: '2025-11-25', least: 300 },
])('our client, every scored check of $revision', { timeout: 120_000 }, async ({ revision, least }) => {
  const command = `${process.execPath} ${join(import.meta.dirname, 'support/conformance-client.ts')}`
  const checks = (await checksOf('client', revision, ['--command', command])).filter(
    ({ scenario }) => !NOT_REQUIRED.test(scenario),
  )
  expect(bad(checks)).toEqual([])
  expect(good(checks)).toBeGreaterThanOrEqual(least)
})
