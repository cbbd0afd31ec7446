/** Dependencies between services and infrastructure as they are shown. */
import * as z from 'zod'
import type { Impact } from '../fleet/catalogue/dependencies.ts'
import type { Dependency, ServiceStatus } from '../ports/fleet.ts'
import { view } from './view.ts'

/** A service or piece of infrastructure, with its dependencies. */
export const dependencyNode = view(
  z.object({
    id: z.string(),
    cell: z.string(),
    status: z.string().describe('its status, or unknown'),
    hard: z.array(z.string()).describe('ids that must be available before its process starts'),
    soft: z.array(z.string()).describe('ids without which it runs, but is not ready'),
  }),
  ({ id, cell, hard, soft }: Dependency, services: readonly ServiceStatus[]) => ({
    id,
    cell,
    status: services.find((each) => each.id === id)?.status ?? 'unknown',
    hard,
    soft,
  }),
)

/** What the loss of a service affects. */
export const impact = view(
  z.object({
    service: z.string(),
    cannotStart: z.array(z.string()).describe('ids that could not start without it'),
    notReady: z.array(z.string()).describe('other ids that would run, but not be ready'),
    sameProcess: z.array(z.string()).describe('other ids in its process'),
  }),
  (service: string, affected: Impact) => ({ service, ...affected }),
)
