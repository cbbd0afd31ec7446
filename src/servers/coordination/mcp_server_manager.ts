/** One service: its state, its log, and starting, stopping and restarting it. */
import * as z from 'zod'
import { defineServer } from '../../mcp/define.ts'
import type { FleetControl, ServiceStatus } from '../../ports/fleet.ts'
import { KintsugiError } from '../../std/errors.ts'

const service = z
  .string()
  .min(1)
  .max(100)
  .describe('an id such as mcp_price_feed_server, or of infrastructure such as database')
const state = z.object({
  id: z.string(),
  status: z.enum(['starting', 'healthy', 'degraded', 'backing-off', 'quarantined', 'stopping', 'stopped']),
  cell: z.string().describe('the process group it runs in'),
  pid: z.int().nullable(),
  port: z.int().nullable(),
  restarts: z.int(),
  since: z.int().nullable().describe('ms since 1970'),
  detail: z.string().optional(),
  home: z.string().optional().describe('the cell it belongs to, while it is kept apart'),
  sharesProcessWith: z.array(z.string()),
})

/** What stopping or restarting it would take along: the services in the same process. */
async function stateOf(fleet: FleetControl, id: string): Promise<z.infer<typeof state>> {
  const { services } = await fleet.status()
  const found = services.find((each) => each.id === id)
  if (!found)
    throw new KintsugiError('unknown-service', `service: no service is called ${JSON.stringify(id)} here`, {
      hint: `known: ${services.map((each) => each.id).join(', ')}`,
    })
  const { kind: _, title: __, category: ___, ...rest } = found satisfies ServiceStatus
  return {
    ...rest,
    sharesProcessWith: services
      .filter((each) => each.cell === found.cell && each.id !== id)
      .map((each) => each.id),
  }
}

/** Without our own process nobody would answer any more. */
async function refuseOwn(fleet: FleetControl, id: string): Promise<void> {
  const { sharesProcessWith } = await stateOf(fleet, id)
  if (id === 'mcp_server_manager' || sharesProcessWith.includes('mcp_server_manager'))
    throw new KintsugiError(
      'refused',
      `${id} shares its process with this server, which would end before it answered`,
      {
        hint: `use \`npx kintsugi stop ${id}\`, or isolate it first`,
      },
    )
}

export default defineServer({
  id: 'mcp_server_manager',
  needs: ['fleet'],
  tools: ({ read, write }) => ({
    start_server: write({
      description:
        'Starts a service that was stopped, or that is set aside or waits to be tried again. What shares its process starts with it.',
      keywords: 'bring up what is stopped',
      input: { service },
      output: { service: state },
      examples: [{ service: 'mcp_monitoring_server' }],
      run: async ({ service: id }, { fleet }) => {
        await fleet.start(id)
        return { service: await stateOf(fleet, id) }
      },
    }),
    stop_server: write({
      description:
        'Stops a service, for good or for a while: calls under way are answered first. A service that shares its process is moved into one of its own before.',
      keywords: 'shut down, take offline, switch off',
      input: {
        service,
        reason: z.string().max(200).default('stopped by a caller'),
        forSeconds: z
          .int()
          .min(1)
          .max(86_400)
          .optional()
          .describe('starts again by itself after this long, as for maintenance'),
      },
      output: { service: state },
      examples: [{ service: 'mcp-stability-report', forSeconds: 1 }],
      run: async ({ service: id, reason, forSeconds }, { fleet }) => {
        const { sharesProcessWith } = await stateOf(fleet, id)
        if (sharesProcessWith.length > 0) await fleet.isolate(id, reason)
        await fleet.stop(id, reason, forSeconds === undefined ? undefined : forSeconds * 1_000)
        return { service: await stateOf(fleet, id) }
      },
    }),
    restart_server: write({
      description:
        'Restarts the process of a service. A stand-in opens first where one may, so no call is lost.',
      keywords: 'reboot without losing calls, bounce',
      input: { service, reason: z.string().max(200).default('restarted by a caller') },
      output: { service: state },
      examples: [{ service: 'mcp_monitoring_server' }],
      run: async ({ service: id, reason }, { fleet }) => {
        await refuseOwn(fleet, id)
        await fleet.restart(id, reason)
        return { service: await stateOf(fleet, id) }
      },
    }),
    server_status: read({
      description:
        'The state of one service now: status, process, port, restarts, and what shares its process.',
      keywords: 'is it running, pid, port, uptime, state of one server',
      input: { service },
      output: { service: state },
      examples: [{ service: 'mcp_monitoring_server' }],
      run: async ({ service: id }, { fleet }) => ({ service: await stateOf(fleet, id) }),
    }),
    server_logs: read({
      description: "The last lines of a service's log, oldest first, as JSON lines.",
      keywords: 'what did it print, last lines, console, output before a crash',
      guarded: true,
      input: {
        service,
        lines: z.int().min(1).max(1_000).default(50),
        contains: z.string().max(200).optional().describe('only lines that hold this text'),
      },
      output: { service: z.string(), lines: z.array(z.string()) },
      examples: [{ service: 'mcp_monitoring_server', lines: 5 }],
      run: async ({ service: id, lines, contains }, { fleet }) => {
        const all = await fleet.logs(id, contains === undefined ? lines : 100_000)
        return {
          service: id,
          lines: all.filter((line) => contains === undefined || line.includes(contains)).slice(-lines),
        }
      },
    }),
  }),
})
