/** `kintsugi test`: the running system, checked from outside: services, protocols, example calls, the books against the chain. */
import type { StatusView } from '../gateway/api/schema.ts'
import { connectMcp } from '../mcp/client.ts'
import type { ToolListing } from '../ports/definitions.ts'
import { messageOf, toErrorReport } from '../std/errors.ts'
import { color } from './format.ts'
import { type DataOptions, readToken, request, runningPlan } from './run.ts'

interface Check {
  service: string
  check: string
  ok: boolean
  ms: number
  detail?: string
}

/** What an example may be answered that names something that does not exist here, asks back, or fails on purpose: it is an answer. */
export const EXPECTED_FOR_EXAMPLES: ReadonlySet<string> = new Set([
  'not-found',
  'no-loan',
  'nothing-pays',
  'server-unreachable',
  'input-not-possible',
  'intended-failure',
  'approval-needed',
])

const READY_MS = 5_000

/** Looks until nothing is wrong, for a while. Throws what still is. */
async function patiently(look: () => Promise<string | undefined>): Promise<void> {
  for (
    const until = performance.now() + READY_MS;
    ;
    await new Promise((resolve) => setTimeout(resolve, 50))
  ) {
    const problem = await look()
    if (problem === undefined) return
    if (performance.now() > until) throw new Error(problem)
  }
}

export async function systemTest(options: DataOptions & { quick?: boolean }): Promise<void> {
  const plan = runningPlan(options)
  const checks: Check[] = []
  const run = async (service: string, check: string, work: () => Promise<void>) => {
    const started = performance.now()
    try {
      await work()
      checks.push({ service, check, ok: true, ms: Math.round(performance.now() - started) })
    } catch (error) {
      checks.push({
        service,
        check,
        ok: false,
        ms: Math.round(performance.now() - started),
        detail: messageOf(error),
      })
    }
  }
  const token = readToken(plan)
  for (const service of Object.keys(plan.ports)) {
    await run(service, 'health', async () => void (await request(plan, service, '/health')))
    await run(service, 'ready', async () => {
      // An example before may have restarted it.
      await patiently(async () => {
        const { ready, reason } = await request<{ ready: boolean; reason?: string }>(plan, service, '/ready')
        return ready ? undefined : (reason ?? 'not ready')
      })
    })
    if (options.quick || service === 'coordination_system' || service === 'dashboard') continue
    await run(service, 'speaks MCP', async () => {
      const connection = await connectMcp({
        url: `http://127.0.0.1:${plan.ports[service]}/mcp`,
        ...(token ? { token } : {}),
      })
      try {
        if ((await connection.listTools()).length === 0) throw new Error('no tools')
      } finally {
        await connection.close()
      }
    })
    const { tools } = await request<{ tools: ToolListing[] }>(plan, service, '/tools').catch(() => ({
      tools: [] as ToolListing[],
    }))
    for (const tool of tools.filter((candidate) => candidate._meta['kintsugi/effect'] !== 'spend')) {
      await run(service, `${tool.name} works`, async () => {
        try {
          await request(plan, service, '/query', {
            method: 'POST',
            body: JSON.stringify({ ...tool._meta['kintsugi/example'], type: tool.name }),
          })
        } catch (error) {
          const { code, data } = toErrorReport(error)
          if (!EXPECTED_FOR_EXAMPLES.has(code)) throw error
          // Nobody is to wait for an example.
          if (code === 'approval-needed')
            await request(plan, 'coordination_system', `/approvals/${data?.approval}`, {
              method: 'POST',
              body: JSON.stringify({ digest: data?.digest, approve: false }),
            })
        }
      })
    }
  }
  await run('coordination_system', 'all services healthy', async () => {
    // An example may have restarted one of them.
    await patiently(async () => {
      const view = await request<StatusView>(plan, 'coordination_system', '/status')
      const bad = [
        ...Object.entries(view.servers),
        ...Object.entries(view.agents),
        ...Object.entries(view.infrastructure),
      ].filter(([, service]) => service.status !== 'healthy')
      return bad.length > 0 ? bad.map(([id, service]) => `${id} is ${service.status}`).join(', ') : undefined
    })
  })
  const failed = checks.filter((check) => !check.ok)
  if (options.json)
    console.log(
      JSON.stringify({ passed: checks.length - failed.length, failed: failed.length, checks }, null, 2),
    )
  else {
    for (const check of checks)
      console.log(
        `${check.ok ? color.green('✓') : color.red('✗')} ${check.service}: ${check.check} ${color.dim(`${check.ms} ms`)}${check.detail ? `  ${check.detail}` : ''}`,
      )
    console.log(`\n${checks.length - failed.length} passed, ${failed.length} failed`)
  }
  if (failed.length > 0) process.exitCode = 1
}
