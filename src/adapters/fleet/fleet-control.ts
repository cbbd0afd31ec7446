/**
 * The fleet's port: requests to the supervisor on its control socket, and calls to services on their ports.
 */

import { delegationHeaders } from '../../access/delegation.ts'
import { findService } from '../../fleet/find-service.ts'
import type { FleetControl, ToolCall } from '../../ports/fleet.ts'
import { type ErrorReport, errorFromReport, KintsugiError, messageOf } from '../../std/errors.ts'
import { currentTrace, nextTraceparent } from '../../std/trace.ts'
import { DEFAULT_BALANCING, Dispatch } from '../dispatch/dispatcher.ts'
import { query, resultOf } from '../dispatch/query.ts'
import { askPatiently } from './control-client.ts'
import type { ControlOp, ControlRequest } from './control-protocol.ts'

/** The addresses of the supervisor and the services. */
export interface ControlOptions {
  /** The supervisor's control socket. */
  socketPath: string
  portOf(service: string): number | undefined
  /** The service's own token; undefined while there is none. */
  bearer(): string | undefined
}

/** The longest duration of a call from one service to another. */
const CALL_MS = 60_000
const CAPABILITIES_MS = 5_000

/** The fleet as seen by one service. */
export function fleetControl(options: ControlOptions): FleetControl {
  const ask = <Op extends ControlOp>(request: ControlRequest<Op>) => askPatiently(options.socketPath, request)
  return {
    status: () => ask({ op: 'status' }),
    service: async (id) => findService((await ask({ op: 'status' })).services, id),
    incidents: () => ask({ op: 'incidents' }),
    vitals: () => ask({ op: 'vitals' }),
    restart: (service, reason, cause) =>
      ask({ op: 'restart', service, ...defined('reason', reason), ...defined('cause', cause) }),
    stop: (service, reason, forMs) => ask({ op: 'stop', service, reason, ...defined('forMs', forMs) }),
    start: (service) => ask({ op: 'start', service }),
    isolate: (service, reason) => ask({ op: 'isolate', service, reason }),
    resize: (cell, heapMb, reason) => ask({ op: 'resize', cell, heapMb, reason }),
    bringHome: (service) => ask({ op: 'bring-home', service }),
    scale: (service, instances) => ask({ op: 'scale', service, instances }),
    dependencies: () => ask({ op: 'dependencies' }),
    logs: (service, lines) => ask({ op: 'logs', service, lines }),
    collect: async (cell) => void (await ask({ op: 'collect', service: cell })),
    scalable: () => ask({ op: 'scalable' }),
    note: async (incident) => void (await ask({ op: 'note', incident })),
    call: serviceCaller(options),
    tools: (service) => toolsOf(service, options),
  }
}

const defined = <K extends string, V>(key: K, value: V | undefined): { [Key in K]?: V } =>
  value === undefined ? {} : ({ [key]: value } as { [Key in K]: V })

const authorization = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` }

function serviceCaller({ portOf, bearer }: ControlOptions): FleetControl['call'] {
  const dispatch = new Dispatch({
    portsOf: (service) => [portOf(service) ?? []].flat(),
    strategyOf: () => DEFAULT_BALANCING,
    now: () => performance.now(),
  })
  return async ({ service, tool, arguments: args, effect = 'write', caller, signal }: ToolCall) => {
    const deadline = AbortSignal.timeout(CALL_MS)
    const ends = signal ? AbortSignal.any([signal, deadline]) : deadline
    const headers = {
      ...authorization(bearer()),
      ...(caller ? delegationHeaders(caller) : {}),
      traceparent: nextTraceparent(currentTrace.getStore()),
    }
    const send = query({ tool, arguments: args, headers, signal: ends })
    return resultOf(await dispatch.call({ service, tool, effect, signal: ends }, send))
  }
}

async function toolsOf(
  service: string,
  { portOf, bearer }: ControlOptions,
): Promise<{ name: string; description: string; effect: string }[]> {
  const port = portOf(service)
  if (port === undefined)
    throw new KintsugiError('unknown-service', `unknown service ${JSON.stringify(service)}`)
  const response = await fetch(`http://127.0.0.1:${port}/capabilities`, {
    headers: authorization(bearer()),
    signal: AbortSignal.timeout(CAPABILITIES_MS),
  }).catch((error) => {
    throw new KintsugiError('service-unreachable', `${service} cannot be reached: ${messageOf(error)}`, {
      retry: 'later',
      cause: error,
    })
  })
  const body = (await response.json()) as {
    tools: { name: string; description: string; effect: string }[]
    error?: ErrorReport
  }
  if (response.ok) return body.tools
  throw body.error
    ? errorFromReport(body.error)
    : new KintsugiError('service-unreachable', `${service} answered ${response.status}`)
}
