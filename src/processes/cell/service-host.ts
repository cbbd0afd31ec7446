/** The services of a cell: opened, released and replaced by placeholders as the supervisor requests. */
import type { Progress } from '../../fleet/alarms.ts'
import type { ServiceHealth } from '../../fleet/healing/state.ts'
import type { AnyDefinition } from '../../mcp/define.ts'
import type { Opening, Vitals } from '../../supervisor/links/protocol.ts'
import { type CellEnvironment, CellService } from './cell-service.ts'
import { DRAIN_TIMING, type DrainTiming, drain } from './draining.ts'
import { listen } from './listening.ts'
import { quarantineServer } from './placeholders.ts'

export interface ServiceHostOptions extends CellEnvironment {
  /** Loads a service's code. */
  load(service: string): Promise<AnyDefinition>
  readonly drainTiming?: DrainTiming
}

export class ServiceHost {
  readonly #options: ServiceHostOptions
  readonly #services = new Map<string, CellService>()
  readonly #predecessorStopped = Promise.withResolvers<void>()

  constructor(options: ServiceHostOptions) {
    this.#options = options
  }

  /** Number of services that are hosted or starting. */
  get size(): number {
    return this.#services.size
  }

  /** Hosts a service; resolves when it is ready. Throws what its start throws. */
  async open(opening: Opening, hold: boolean): Promise<void> {
    const { load, ports } = this.#options
    ports.pace.standby = false
    const definition = await load(opening.id)
    if (definition.kind === 'agent' && definition.urgent) ports.pace.urgent = true
    const service = new CellService(definition, opening, hold, this.#options)
    this.#services.set(opening.id, service)
    await service.open(this.#predecessorStopped.promise)
  }

  /** The predecessor has stopped: singletons may begin. */
  begin(): void {
    this.#predecessorStopped.resolve()
  }

  health(): Promise<ServiceHealth[]> {
    return Promise.all([...this.#services.values()].map((service) => service.health()))
  }

  /** The progress that services report, for the fleet's alarms. */
  progress(): Progress[] {
    return [...this.#services.values()].flatMap((service) => service.progress() ?? [])
  }

  async isReady(): Promise<boolean> {
    return (await this.health()).every(({ ready }) => ready)
  }

  /** Call counts, by service. */
  calls(): Vitals['services'] {
    return Object.fromEntries([...this.#services].map(([id, { counts }]) => [id, counts.snapshot()]))
  }

  /**
   * Releases services, all of them by default: each stops accepting and ends its background work, then
   * `onReleased` runs, then open connections drain.
   */
  async release(
    onReleased: () => unknown,
    ids: readonly string[] = [...this.#services.keys()],
  ): Promise<void> {
    const released = ids.flatMap((id) => this.#services.get(id) ?? [])
    for (const { id } of released) this.#services.delete(id)
    await Promise.allSettled(released.map((service) => service.release()))
    await onReleased()
    await drain(
      released.map(({ server }) => server),
      this.#options.drainTiming ?? DRAIN_TIMING,
    )
  }

  /** Answers 503 with the reason on the ports of quarantined services. Throws what `listen` throws. */
  async standIn(openings: readonly Opening[], reason: string): Promise<void> {
    const { bindHost, tcpPortOf } = this.#options
    for (const { id, fd } of openings)
      await listen(quarantineServer(id, reason), fd, { host: bindHost, port: tcpPortOf(id) })
  }
}
