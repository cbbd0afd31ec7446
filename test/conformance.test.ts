/** The official conformance suite: for servers, through the gateway to the reference server; for clients, with the fleet's client. */
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

/** The checks of one run of the suite. The suite exits with an error if a check fails; its output lists the checks. */
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

/** `minChecks`: a suite that ran fewer checks does not pass. */
test.each([
  { revision: '2026-07-28', minChecks: 190 },
  { revision: '2025-11-25', minChecks: 80 },
])(
  'the gateway passes every check of $revision, extensions included',
  { timeout: 120_000 },
  async ({ revision, minChecks }) => {
    const checks = await checksOf('server', revision, ['--url', fleet.url(8000, '/mcp/mcp_server_base')])
    expect(bad(checks)).toEqual([])
    expect(good(checks)).toBeGreaterThanOrEqual(minChecks)
  },
)

/** Optional ways of authorization that the fleet's client does not support. */
const NOT_REQUIRED = /client-credentials|enterprise-managed|dpop|wif-jwt/

test.each([
  { revision: '2026-07-28', minChecks: 450 },
  { revision: '2025-11-25', minChecks: 300 },
])(
  'the client passes every scored check of $revision',
  { timeout: 120_000 },
  async ({ revision, minChecks }) => {
    const command = `${process.execPath} ${join(import.meta.dirname, 'support/conformance-client.ts')}`
    const checks = (await checksOf('client', revision, ['--command', command])).filter(
      ({ scenario }) => !NOT_REQUIRED.test(scenario),
    )
    expect(bad(checks)).toEqual([])
    expect(good(checks)).toBeGreaterThanOrEqual(minChecks)
  },
)
