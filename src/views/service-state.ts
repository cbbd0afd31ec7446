/**
 * Services as they are shown: their state, their health, their instances, and what is proposed for those that
 * are not healthy.
 */
import * as z from 'zod'
import type { HealingResult } from '../engine/operations/remedies.ts'
import type { ServiceInProcess } from '../engine/operations/service-control.ts'
import type { SystemStatus } from '../engine/operations/system-status.ts'
import { maybeAt, maybeTime } from '../mcp/fields.ts'
import type { ServiceStatus } from '../ports/fleet.ts'
import { view } from './view.ts'

const status = () =>
  z.enum(['starting', 'healthy', 'degraded', 'backing-off', 'quarantined', 'stopping', 'stopped'])
const cell = () => z.string().describe('the process group that it runs in')
const detail = () => z.string().optional().describe('why it is not healthy')

/** One instance of a service. */
export const instance = view(
  z.object({
    id: z.string(),
    status: status(),
    cell: cell(),
    pid: z.int().nullable(),
    port: z.int().nullable(),
  }),
  (service: ServiceStatus) => ({
    id: service.id,
    status: service.status,
    cell: service.cell,
    pid: service.pid,
    port: service.port,
  }),
)

/** Everything about one service: its state, its process, and what shares the process. */
export const serviceState = view(
  z.object({
    ...instance.schema.shape,
    restarts: z.int().describe('restarts since the fleet started'),
    ...maybeTime('since'),
    detail: detail(),
    home: z.string().optional().describe('the cell that it belongs to, while it is isolated from it'),
    sharesProcessWith: z.array(z.string()).describe('ids of the other services in its process'),
  }),
  ({ service, sharesProcessWith }: ServiceInProcess) => ({
    ...instance.of(service),
    restarts: service.restarts,
    ...maybeAt('since', service.since),
    ...(service.detail === undefined ? {} : { detail: service.detail }),
    ...(service.home === undefined ? {} : { home: service.home }),
    sharesProcessWith,
  }),
)

/** The health of a service in a list; `now` in ms since 1970. */
export const serviceHealth = view(
  z.object({
    id: z.string(),
    status: status(),
    restarts: z.int().describe('restarts since the fleet started'),
    upMs: z.int().nullable().describe('time since its start; null while it does not run'),
    detail: detail(),
  }),
  ({ id, status, restarts, since, detail }: ServiceStatus, now: number) => ({
    id,
    status,
    restarts,
    upMs: since === null ? null : Math.round(now - since),
    ...(detail === undefined ? {} : { detail }),
  }),
)

/** The health of the whole fleet at a glance. */
export const systemHealth = view(
  z.object({
    overall: z.enum(['healthy', 'degraded', 'critical']).describe('critical: less than half are healthy'),
    services: z.object({
      total: z.int(),
      healthy: z.int().describe('number of healthy services'),
    }),
    unwell: z
      .array(
        z.object({
          service: z.string(),
          status: status(),
          reason: z.string(),
          proposal: z.string().describe('what would repair it'),
        }),
      )
      .describe('the services that are not healthy'),
    lastHour: z.record(z.string(), z.int()).describe('number of incidents in the last hour, by kind'),
  }),
  (system: SystemStatus) => system,
)

/** What healing a service found and did. */
export const healing = view(
  z.object({
    service: z.string(),
    before: status().describe('its status before'),
    action: z.enum(['none', 'restarted', 'started']),
    reason: z.string().describe('why it was not healthy'),
  }),
  (result: HealingResult) => result,
)
