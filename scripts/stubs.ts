/**
 * Proves that the specs of servers and agents check answers: for every tool that exists, `run` is replaced by
 * a stub that returns the first answer that the spec recorded, for any input, and the tool's own spec must
 * fail. Usage: node scripts/stubs.ts [service ...]. Exits non-zero when a stub survives.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { CATALOGUE, definitionPath } from '../src/fleet/catalogue/catalogue.ts'
import type { AnyDefinition } from '../src/mcp/define.ts'
import { ANSWERED_INSTEAD } from '../test/support/answered-instead.ts'

const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'kintsugi-stubs-'))
const wanted = process.argv.slice(2)

interface Spec {
  readonly service: string
  readonly file: string
  readonly tools: readonly string[]
  /** Tools without an example: they may fail by contract and then record no answer. */
  readonly mayFail: ReadonlySet<string>
}

async function specsOf(): Promise<Spec[]> {
  const specs: Spec[] = []
  for (const entry of CATALOGUE) {
    const path = definitionPath(entry)
    if (entry.kind === 'main' || !existsSync(join(root, path))) continue
    if (wanted.length > 0 && !wanted.includes(entry.id)) continue
    const definition = (await import(join(root, path))).default as AnyDefinition
    if (definition.kind === 'main') continue
    specs.push({
      service: entry.id,
      file: path.replace(/\.ts$/, '.test.ts'),
      tools: Object.keys(definition.tools),
      mayFail: new Set(
        Object.entries(definition.tools).flatMap(([name, { examples }]) =>
          examples.length === 0 ? [name] : [],
        ),
      ),
    })
  }
  return specs
}

interface FileReport {
  readonly passed: boolean
  /** Messages of its failed tests. */
  readonly failures: readonly string[]
}

/** Runs specs. Returns the report of each file that ran. */
function run(files: readonly string[], env: Record<string, string>): Map<string, FileReport> {
  const report = join(folder, 'report.json')
  rmSync(report, { force: true })
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', '--project', 'unit', '--reporter=json', `--outputFile=${report}`, ...files]
  spawnSync(process.execPath, args, {
    cwd: root,
    env: { ...process.env, KINTSUGI_RECORD: folder, ...env },
    stdio: 'ignore',
    timeout: 300_000,
  })
  if (!existsSync(report)) throw new Error('the specs did not run')
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    testResults: {
      name: string
      status: string
      assertionResults: { failureMessages: string[] | null }[]
    }[]
  }
  return new Map(
    testResults.map(({ name, status, assertionResults }) => [
      relative(root, name),
      {
        passed: status === 'passed',
        failures: assertionResults.flatMap(({ failureMessages }) => failureMessages ?? []),
      },
    ]),
  )
}

/**
 * Whether a spec noticed the stub: an expectation about an answer or an effect failed. A crash, a timeout, or
 * a refusal that did not come does not count, since it says nothing about the answer; the refusal of a tool
 * that always fails is its answer.
 */
const noticed = ({ failures }: FileReport, alwaysFails: boolean): boolean =>
  failures.some(
    (message) => message.includes('AssertionError') || (alwaysFails && message.includes(ANSWERED_INSTEAD)),
  )

const survivors: string[] = []
const specs = await specsOf()
const present = specs.filter(({ file }) => existsSync(join(root, file)))
const first = run(
  present.map(({ file }) => file),
  {},
)
const green = new Set([...first].flatMap(([file, { passed }]) => (passed ? [file] : [])))
for (const { service, file, tools } of specs)
  if (!green.has(file))
    survivors.push(
      ...tools.map(
        (tool) =>
          `${service}__${tool}: ${present.some((each) => each.file === file) ? `${file} fails without a stub` : `there is no ${file}`}`,
      ),
    )
// Round by round one tool of every service is a stub.
const rounds = Math.max(0, ...specs.map(({ tools }) => tools.length))
for (let round = 0; round < rounds; round++) {
  const stubs = present.flatMap(({ service, file, tools, mayFail }) => {
    const tool = tools[round]
    if (tool === undefined || !green.has(file)) return []
    if (mayFail.has(tool) || existsSync(join(folder, `${service}__${tool}.json`)))
      return [{ service, file, tool, alwaysFails: mayFail.has(tool) }]
    survivors.push(`${service}__${tool}: its spec gets no answer from it`)
    return []
  })
  if (stubs.length === 0) continue
  const reports = run(
    stubs.map(({ file }) => file),
    { KINTSUGI_STUBS: JSON.stringify(Object.fromEntries(stubs.map(({ service, tool }) => [service, tool]))) },
  )
  for (const { service, file, tool, alwaysFails } of stubs) {
    const report = reports.get(file)
    if (report && noticed(report, alwaysFails)) continue
    const how = report?.passed ? 'passes with a recorded answer' : 'checks no answer of it'
    survivors.push(`${service}__${tool}: ${file} ${how}`)
  }
}
rmSync(folder, { recursive: true, force: true })
const total = specs.reduce((sum, { tools }) => sum + tools.length, 0)
for (const survivor of survivors) console.log(`survived: ${survivor}`)
console.log(`${total - survivors.length} of ${total} stubs killed`)
if (survivors.length > 0 || total === 0) process.exit(1)
