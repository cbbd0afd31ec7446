/** The supervisor's control socket: one handler per operation, and the stream of events. */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type {
  ChaosFault,
  ControlAnswer,
  ControlOp,
  ControlOperations,
  ControlRequest,
  ControlResult,
} from '../../adapters/fleet/control-protocol.ts'
import { KintsugiError, toErrorReport } from '../../std/errors.ts'
import { onLines } from '../../std/lines.ts'
import type { StopCause, SupervisorEvent } from '../../supervisor/options.ts'
import type { Supervisor } from '../../supervisor/supervisor.ts'
import { logTail } from '../logs/log-reader.ts'
import { files, type RunPlan } from '../run/run-plan.ts'
import { SCALABLE } from '../services.gen.ts'
import { dependenciesOf } from './units.ts'

/** The targets of the operations. */
export interface ControlContext {
  readonly supervisor: Supervisor
  readonly plan: RunPlan
  /** Pids of the keeper and its watcher. */
  peers(): { readonly keeper: number | null; readonly watcher: number | null }
  /** Begins to stop the fleet. */
  stop(cause: StopCause): void
}

type Handlers = {
  readonly [Op in ControlOp]: (
    params: ControlOperations[Op]['params'],
    context: ControlContext,
  ) => ControlResult<Op>
}

const HANDLERS: Handlers = {
  status: (_, { supervisor }) => supervisor.status(),
  incidents: (_, { supervisor }) => supervisor.incidents(),
  vitals: (_, { supervisor }) => supervisor.vitals(),
  dependencies: (_, { supervisor, plan }) =>
    dependenciesOf(plan, supervisor.status().services, (id) => supervisor.unitOf(id).spec.after),
  scalable: (_, { plan }) => SCALABLE.filter((id) => id in plan.ports),
  restart: ({ service, reason = 'requested', cause }, { supervisor }) =>
    supervisor.restart(service, reason, cause),
  stop: ({ service, reason, forMs }, { supervisor }) => supervisor.stopService(service, reason, forMs),
  start: ({ service }, { supervisor }) => supervisor.startService(service),
  isolate: ({ service, reason }, { supervisor }) => supervisor.isolate(service, reason),
  'bring-home': ({ service }, { supervisor }) => supervisor.bringHome(service),
  scale: ({ service, instances }, { supervisor }) => supervisor.scale(service, instances),
  resize: ({ cell, heapMb, reason }, { supervisor }) => supervisor.resize(cell, heapMb, reason),
  logs: ({ service, lines }, { supervisor, plan }) => {
    const unit = supervisor.unitOf(service).spec
    return logTail(files(plan.dataFolder).logs, unit.services.includes(service) ? service : unit.id, lines)
  },
  collect: ({ service }, { supervisor }) => {
    supervisor.collect(service)
    return {}
  },
  note: ({ incident }, { supervisor }) => {
    supervisor.note(incident)
    return {}
  },
  'inject-fault': ({ service, fault }, context) => ({ pid: injectFault(service, fault, context) }),
  down: (_, { stop }) => {
    stop('requested')
    return { stopping: true, pid: process.pid }
  },
  events: () => ({ listening: true }),
}

/** Let the answer leave before the supervisor kills itself. */
const OWN_END_MS = 5

function injectFault(
  service: string,
  fault: ChaosFault,
  { plan, supervisor, peers }: ControlContext,
): number | null {
  if (plan.mode !== 'local')
    throw new KintsugiError(
      'refused',
      `faults are injected on the local chain only; this fleet's mode is ${plan.mode}`,
      {
        hint: 'start a local fleet with `npx kintsugi up`',
      },
    )
  const signal = fault.kind === 'stop' ? 'SIGSTOP' : 'SIGKILL'
  if (service === 'supervisor') {
    setTimeout(() => process.kill(process.pid, signal), OWN_END_MS)
    return process.pid
  }
  if (service === 'keeper' || service === 'watcher') {
    const pid = peers()[service]
    if (pid !== null) process.kill(pid, signal)
    return pid
  }
  return supervisor.injectFault(service, fault)
}

/** Serves requests and events. */
export class ControlServer {
  readonly #path: string
  readonly #context: ControlContext
  readonly #server: Server
  /** Connections that receive events. */
  readonly #listeners = new Set<Socket>()

  constructor(path: string, context: ControlContext) {
    this.#path = path
    this.#context = context
    this.#server = createServer((socket) => this.#accept(socket))
  }

  /** Listens in place of an earlier supervisor. Rejects if the socket cannot be bound. */
  async listen(): Promise<void> {
    this.removeSocket()
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#path, resolve)
    })
    if (process.platform !== 'win32') chmodSync(this.#path, 0o600)
  }

  /** Removes the socket's file, so that callers find no fleet. */
  removeSocket(): void {
    if (process.platform !== 'win32') rmSync(this.#path, { force: true })
  }

  /** Sends an event to every listener. */
  broadcast(event: SupervisorEvent): void {
    const line = `${JSON.stringify(event)}\n`
    for (const socket of this.#listeners) socket.write(line)
  }

  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#listeners.delete(socket))
    onLines(socket, (line) => {
      const answer = this.#answer(line, socket)
      if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`)
    })
  }

  #answer(line: string, socket: Socket): ControlAnswer {
    try {
      const request = JSON.parse(line) as ControlRequest
      if (!Object.hasOwn(HANDLERS, request.op))
        throw new KintsugiError('bad-request', `unknown operation ${JSON.stringify(request.op)}`, {
          hint: `known: ${Object.keys(HANDLERS).join(', ')}`,
        })
      // The handler is looked up by the very operation whose parameters it receives.
      const handle = HANDLERS[request.op] as (params: ControlRequest, context: ControlContext) => unknown
      const result = handle(request, this.#context)
      if (request.op === 'events') this.#subscribe(socket)
      return { ok: true, result }
    } catch (error) {
      return { ok: false, error: toErrorReport(error) }
    }
  }

  #subscribe(socket: Socket): void {
    this.#listeners.add(socket)
    setImmediate(() => {
      for (const event of this.#context.supervisor.story()) socket.write(`${JSON.stringify(event)}\n`)
    })
  }
}
