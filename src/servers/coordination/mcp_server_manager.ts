/** One service: its state, its log, and starting, stopping and restarting it. */
import * as z from 'zod'
import {
  logTail,
  requested,
  restartService,
  stateOf,
  stopService,
} from '../../engine/operations/service-control.ts'
import { defineServer } from '../../mcp/define.ts'
import { service } from '../../mcp/fields.ts'
import { serviceState } from '../../views/service-state.ts'

const ID = 'mcp_server_manager'
const reason = () =>
  z.string().max(200).optional().describe('recorded with the incident and the caller, for people')

export default defineServer({
  id: ID,
  needs: ['fleet'],
  tools: ({ read, write }) => ({
    start_server: write({
      description:
        'Starts a service that is stopped, quarantined, or waiting for its next restart. The services in its process start with it.',
      keywords: 'bring up a stopped server, launch, run it again',
      idempotent: true,
      input: { service: service() },
      output: { service: serviceState.schema },
      examples: [{ service: 'mcp_monitoring_server' }],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: id }, { fleet }) => {
        await fleet.start(id)
        return { service: serviceState.of(await stateOf(fleet, id)) }
      },
    }),
    stop_server: write({
      description:
        'Stops a service, for good or for a time: running calls are answered first. A service that shares its process is moved into a process of its own before.',
      keywords: 'shut down, take offline, switch off, maintenance',
      destructive: true,
      idempotent: true,
      input: {
        service: service(),
        reason: reason(),
        forSeconds: z
          .int()
          .min(1)
          .max(86_400)
          .optional()
          .describe('the service starts again by itself after this time, as for maintenance'),
        force: z
          .boolean()
          .default(false)
          .describe('must be true to stop infrastructure (hub, database, chain): all services depend on it'),
      },
      output: { service: serviceState.schema },
      examples: [{ service: 'mcp-stability-report', forSeconds: 1 }],
      refusals: [
        [{ service: 'nobody' }, 'unknown-service'],
        [{ service: 'database' }, 'refused'],
      ],
      run: async ({ service: id, reason: why, forSeconds, force }, { fleet, caller }) => {
        const forMs = forSeconds === undefined ? undefined : forSeconds * 1_000
        await stopService(fleet, id, { reason: requested('stopped', caller, why), forMs, force })
        return { service: serviceState.of(await stateOf(fleet, id)) }
      },
    }),
    restart_server: write({
      description:
        'Restarts the process of a service. A spare takes over first where the service allows it, so that no call is lost.',
      keywords: 'reboot without losing calls, bounce',
      input: { service: service(), reason: reason() },
      output: { service: serviceState.schema },
      examples: [{ service: 'mcp_monitoring_server' }],
      refusals: [
        [{ service: 'nobody' }, 'unknown-service'],
        [{ service: ID }, 'refused'],
      ],
      run: async ({ service: id, reason: why }, { fleet, caller }) => {
        await restartService(fleet, id, requested('restarted', caller, why), ID)
        return { service: serviceState.of(await stateOf(fleet, id)) }
      },
    }),
    server_status: read({
      description:
        'The state of one service now: status, process, port, restarts, start, and the services in its process.',
      keywords: 'is it running, pid, port, uptime, state of one server',
      input: { service: service() },
      output: { service: serviceState.schema },
      examples: [{ service: 'mcp_monitoring_server' }],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: id }, { fleet }) => ({ service: serviceState.of(await stateOf(fleet, id)) }),
    }),
    server_logs: read({
      description: "The last lines of a service's log, oldest first, as JSON lines.",
      keywords: 'what did it print, last lines, console, output before a crash',
      guarded: true,
      input: {
        service: service(),
        lines: z.int().min(1).max(1_000).default(20).describe('number of lines (1 to 1,000)'),
        contains: z.string().max(200).optional().describe('only lines that contain this text'),
      },
      output: {
        service: z.string(),
        searched: z.int().describe('number of lines searched, from the end of the log'),
        found: z.int().describe('number of lines that match'),
        lines: z.array(z.string()).describe('the last of them'),
      },
      examples: [{ service: 'mcp_monitoring_server', lines: 5 }],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: id, lines, contains }, { fleet }) => ({
        service: id,
        ...(await logTail(fleet, id, lines, contains)),
      }),
    }),
  }),
})
