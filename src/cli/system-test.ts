/**
 * `kintsugi test`: checks the running system from outside: health, readiness, MCP, and the example call of
 * every tool that reads; on request also of those that write.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusView } from '../gateway/api/schema.ts'
import { connectMcp } from '../mcp/client.ts'
import type { ExampleListing, ToolCalls } from '../mcp/host/examples.ts'
import type { ToolListing } from '../ports/definitions.ts'
import type { RunPlan } from '../processes/run/run-plan.ts'
import { KintsugiError, messageOf, toErrorReport } from '../std/errors.ts'
import { color } from './format.ts'
import { type DataOptions, readToken, request, runningPlan } from './run.ts'
import { Traces } from './test-traces.ts'

interface Check {
  service: string
  check: string
  ok: boolean
  ms: number
  detail?: string
}

/** Health and readiness; and the examples of tools that read; and those of tools that write. */
type Scope = 'health' | 'reads' | 'all'

const GATEWAY = 'coordination_system'
const READY_TIMEOUT_MS = 5_000
const POLL_MS = 50

/**
 * Runs all checks and prints them; exit code 1 if one failed. `quick` checks health and readiness only.
 * Throws `refused` for `withWrites` on a real chain.
 */
export async function systemTest(
  options: DataOptions & { quick?: boolean; withWrites?: boolean },
): Promise<void> {
  const plan = runningPlan(options)
  const scope = options.quick ? 'health' : options.withWrites ? 'all' : 'reads'
  const checks = scope === 'all' ? await withWrites(plan) : await new SystemTest(plan).run(scope)
  const failed = checks.filter((check) => !check.ok).length
  const passed = checks.length - failed
  if (options.json) console.log(JSON.stringify({ passed, failed, checks }, null, 2))
  else {
    for (const check of checks) console.log(checkLine(check))
    console.log(`\n${passed} passed, ${failed} failed`)
  }
  if (failed > 0) process.exitCode = 1
}

/**
 * All checks, under a name of their own, which incidents and the audit log show. Tokens that the test issued
 * and isolations that it caused are undone. Throws `refused` on a real chain.
 */
async function withWrites(plan: RunPlan): Promise<Check[]> {
  if (plan.mode !== 'local')
    throw new KintsugiError(
      'refused',
      `--with-writes needs the embedded chain; this fleet's mode is ${plan.mode}`,
      {
        hint: 'without it, the examples of tools that only read are called',
      },
    )
  const traces = await Traces.before(plan)
  try {
    return await new SystemTest(plan, traces.token).run('all')
  } finally {
    await traces.undo()
  }
}

const checkLine = ({ service, check, ok, ms, detail }: Check) =>
  `${ok ? color.green('✓') : color.red('✗')} ${service}: ${check} ${color.dim(`${ms} ms`)}${detail ? `  ${detail}` : ''}`

const codeOf = (error: unknown): string => toErrorReport(error).code
const needsApproval = ({ _meta }: ToolListing): boolean => _meta['kintsugi/approvable']

class SystemTest {
  readonly #plan: RunPlan
  readonly #token: string | undefined
  readonly #checks: Check[] = []

  /** `token`: with which tools are called; default: that of the data folder. */
  constructor(plan: RunPlan, token = readToken(plan)) {
    this.#plan = plan
    this.#token = token
  }

  async run(scope: Scope): Promise<Check[]> {
    for (const service of Object.keys(this.#plan.ports)) {
      await this.#check(service, 'health', async () => void (await request(this.#plan, service, '/health')))
      await this.#check(service, 'ready', () => this.#ready(service))
      if (scope !== 'health' && service !== GATEWAY && service !== 'dashboard')
        await this.#tools(service, scope)
    }
    await this.#check(GATEWAY, 'all services healthy', () => this.#allHealthy())
    return this.#checks
  }

  async #check(service: string, check: string, work: () => Promise<void>): Promise<void> {
    const started = performance.now()
    const elapsed = () => Math.round(performance.now() - started)
    try {
      await work()
      this.#checks.push({ service, check, ok: true, ms: elapsed() })
    } catch (error) {
      this.#checks.push({ service, check, ok: false, ms: elapsed(), detail: messageOf(error) })
    }
  }

  /** Waits, since an earlier example may have restarted the service. */
  #ready(service: string): Promise<void> {
    return noProblemSoon(async () => {
      const { ready, reason } = await request<{ ready: boolean; reason?: string }>(
        this.#plan,
        service,
        '/ready',
      )
      return ready ? undefined : (reason ?? 'not ready')
    })
  }

  async #tools(service: string, scope: Scope): Promise<void> {
    const token = this.#token
    await this.#check(service, 'speaks MCP', async () => {
      const url = `http://127.0.0.1:${this.#plan.ports[service]}/mcp`
      const connection = await connectMcp({ url, ...(token ? { token } : {}) })
      try {
        if ((await connection.listTools()).length === 0) throw new Error('no tools')
      } finally {
        await connection.close()
      }
    })
    const { tools } = await request<{ tools: ToolListing[] }>(this.#plan, service, '/tools').catch(() => ({
      tools: [] as ToolListing[],
    }))
    const effects: readonly string[] = scope === 'all' ? ['read', 'write'] : ['read']
    for (const tool of tools.filter(({ _meta }) => effects.includes(_meta['kintsugi/effect'])))
      await this.#check(service, `${tool.name} works`, () => this.#cases(service, tool, scope))
  }

  /**
   * Its examples must succeed, its refusals fail with their code. A tool may need an approval instead of
   * either. If nothing was written before, the subject of an example (a task) may not exist.
   */
  async #cases(service: string, tool: ToolListing, scope: Scope): Promise<void> {
    const { examples, refusals } = await this.#calls(service, tool.name)
    for (const args of examples)
      await this.#call(service, tool, args).catch((error) => {
        if (scope === 'all' || codeOf(error) !== 'not-found') throw error
      })
    for (const { arguments: args, code } of refusals) {
      const failure = await this.#call(service, tool, args).then(() => 'an answer', codeOf)
      if (failure !== code && !(failure === 'an answer' && needsApproval(tool)))
        throw new Error(`${JSON.stringify(args)}: expected ${code}, got ${failure}`)
    }
  }

  /** Looked up on the running system, which may need a moment until the subject of an example exists. */
  async #calls(service: string, tool: string): Promise<ToolCalls> {
    let found: ToolCalls | undefined
    await noProblemSoon(async () => {
      const { tools } = await request<ExampleListing>(this.#plan, service, '/examples')
      const calls = tools[tool]
      // Definitions that a connected server added have no cases.
      if (!calls) found = { examples: [], refusals: [] }
      else if ('error' in calls) return calls.error.message
      else found = calls
      return undefined
    })
    return found as ToolCalls
  }

  async #call(service: string, tool: ToolListing, args: Record<string, unknown>): Promise<void> {
    try {
      await request(
        this.#plan,
        service,
        '/query',
        {
          method: 'POST',
          body: JSON.stringify({ ...args, type: tool.name }),
        },
        this.#token,
      )
    } catch (error) {
      const { code, data } = toErrorReport(error)
      // An earlier run refused the same call: the refusal is valid until the approval expires.
      if (code === 'approval-refused' && needsApproval(tool)) return
      if (code !== 'approval-needed' || !needsApproval(tool)) throw error
      // The approval of a test must not stay pending.
      await request(this.#plan, GATEWAY, `/approvals/${data?.approval}`, {
        method: 'POST',
        body: JSON.stringify({ digest: data?.digest, approve: false }),
      })
    }
  }

  #allHealthy(): Promise<void> {
    return noProblemSoon(async () => {
      const { servers, agents, infrastructure } = await request<StatusView>(this.#plan, GATEWAY, '/status')
      const unhealthy = Object.entries({ ...servers, ...agents, ...infrastructure }).filter(
        ([, service]) => service.status !== 'healthy',
      )
      return unhealthy.length > 0
        ? unhealthy.map(([id, service]) => `${id} is ${service.status}`).join(', ')
        : undefined
    })
  }
}

/** Polls until `look` reports no problem. Throws the last one after five seconds. */
async function noProblemSoon(look: () => Promise<string | undefined>): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  for (;;) {
    const problem = await look()
    if (problem === undefined) return
    if (performance.now() > deadline) throw new Error(problem)
    await sleep(POLL_MS)
  }
}
