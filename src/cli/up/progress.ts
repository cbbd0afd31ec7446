/** Output of `kintsugi up`: progress until the fleet is ready, then incidents and trades until it stops. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { askPatiently, supervisorEvents, untilGone } from '../../adapters/fleet/control-client.ts'
import type { Settings } from '../../adapters/settings.ts'
import { incidentText } from '../../fleet/incidents.ts'
import type { ServiceStatus } from '../../ports/fleet.ts'
import type { MarketManifest } from '../../ports/manifest.ts'
import { files, type RunPlan, socketPath } from '../../processes/run/run-plan.ts'
import { openBus } from '../../processes/wiring/bus.ts'
import { KintsugiError } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import type { StopCause, SupervisorEvent } from '../../supervisor/options.ts'
import { clockTime, color, count, seconds } from '../format.ts'
import type { UpOptions } from './plan.ts'
import { type LineStyle, paperTradeLine, tradeLine } from './trade-line.ts'

/** The keeper's own shutdown, after the supervisor has stopped everything else. */
const KEEPER_STOP_MS = 3_000

/**
 * Follows the fleet until it stops; with `detach` until it is ready. Throws `keeper-ended` if it ends
 * unexpectedly.
 */
export function follow(plan: RunPlan, options: UpOptions, settings: Settings): Promise<void> {
  return new Progress(plan, options, settings).run()
}

class Progress {
  readonly #plan: RunPlan
  readonly #options: UpOptions
  readonly #settings: Settings
  readonly #control: string
  /** Services and units whose start was reported. */
  readonly #reported = new Set<string>()
  #ready = false
  #stopping = false
  /** Why the supervisor stops the fleet. */
  #cause: StopCause | undefined
  #trades: Promise<() => void> | undefined

  constructor(plan: RunPlan, options: UpOptions, settings: Settings) {
    this.#plan = plan
    this.#options = options
    this.#settings = settings
    this.#control = socketPath(plan.dataFolder, 'control')
  }

  run(): Promise<void> {
    const { version, profile, cells, mode } = this.#plan
    const services = cells.reduce((sum, cell) => sum + cell.services.length, 0)
    this.#say(
      `${color.bold('kintsugi')} ${version}, profile ${profile}, ${count(services, 'service')} in ${cells.length} processes, mode ${mode}`,
    )
    return new Promise((resolve, reject) => {
      const end = (error?: Error) => {
        void this.#trades?.then((close) => close())
        stream.close()
        const failure = error ?? (this.#cause === 'keeper-gone' ? this.#keeperGone() : undefined)
        if (failure) return reject(failure)
        this.#say(`${color.green('✓')} fleet stopped`)
        resolve()
      }
      const stream = supervisorEvents<SupervisorEvent>(this.#control, {
        onEvent: (event) => {
          if (this.#options.json) console.log(JSON.stringify(event))
          this.#show(event)
          if (event.type === 'stopping') this.#cause = event.cause
          if (event.type === 'stopped')
            void untilGone(socketPath(this.#plan.dataFolder, 'keeper'), KEEPER_STOP_MS).then(() => end())
          if (event.type === 'ready' && this.#options.detach) {
            stream.close()
            resolve()
          }
        },
        onLost: () => (this.#stopping ? end() : end(this.#ended())),
      })
      const stop = () => {
        if (this.#stopping) return
        this.#stopping = true
        this.#say(color.dim('\nstopping...'))
        askPatiently(this.#control, { op: 'down' }).catch(() => end())
      }
      if (!this.#options.detach)
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
    })
  }

  #show(event: SupervisorEvent): void {
    if (event.type === 'unit-up') this.#unitUp(event.unit, event.title, event.afterMs)
    if (event.type === 'service') this.#serviceUp(event.service)
    if (event.type === 'incident' && !this.#stopping)
      this.#say(
        `${color.dim(clockTime(event.at))}  ${color.yellow('!')} ${event.unit} ${incidentText(event)}`,
      )
    if (event.type === 'ready') this.#becameReady(event.afterMs, event.services)
  }

  #unitUp(unit: string, title: string, afterMs: number): void {
    if (this.#ready || this.#reported.has(unit)) return
    this.#reported.add(unit)
    this.#say(`  ${color.green('✓')} ${title.padEnd(24)} ${color.dim(`after ${seconds(afterMs)}`)}`)
  }

  #serviceUp({ id, kind, port, status }: ServiceStatus): void {
    if (this.#ready || status !== 'healthy' || kind === 'infrastructure' || this.#reported.has(id)) return
    this.#reported.add(id)
    const after = seconds(Date.now() - this.#plan.startedAt)
    this.#say(`  ${color.green('✓')} ${id.padEnd(24)} :${port} ${color.dim(`after ${after}`)}`)
  }

  #becameReady(afterMs: number, services: number): void {
    // A new supervisor repeats the event.
    if (this.#ready) return
    this.#ready = true
    const { ports, dataFolder } = this.#plan
    this.#say(
      `\n${color.green('ready')} after ${seconds(afterMs)}: ${count(services, 'service')}\n  gateway    http://localhost:${ports.coordination_system}   (MCP: /mcp)\n  dashboard  http://localhost:${ports.dashboard}\n  token      ${files(dataFolder).token}\n`,
    )
    if (!this.#options.detach) this.#trades = followTrades(this.#plan, this.#options, this.#settings)
  }

  #ended(): KintsugiError {
    return new KintsugiError(
      'keeper-ended',
      'the fleet ended: its supervisor has not answered for 15 s, and no keeper replaced it',
      {
        hint: `start the fleet again: the start ends leftover processes. The last lines are in ${join(files(this.#plan.dataFolder).logs, 'supervisor.log')}`,
      },
    )
  }

  #keeperGone(): KintsugiError {
    return new KintsugiError(
      'keeper-ended',
      'the fleet ended: its keeper and its watcher were killed, so no process could be restarted any more, and the supervisor stopped all services in order',
      {
        hint: 'nothing is lost: start the fleet again. If nobody killed them, see whether the system ran out of memory (`dmesg`)',
      },
    )
  }

  #say(text: string): void {
    if (!this.#options.json) console.log(text)
  }
}

/** Prints one line per trade as it is booked or judged. Returns a function that closes the subscription. */
async function followTrades(plan: RunPlan, options: UpOptions, settings: Settings): Promise<() => void> {
  const bus = await openBus(plan, settings.redisUrl)
  const style = (): LineStyle => {
    const { nativeSymbol } = JSON.parse(
      readFileSync(files(plan.dataFolder).manifest, 'utf8'),
    ) as MarketManifest
    return { nativeSymbol, width: process.stdout.columns, verbose: options.verbose === true }
  }
  bus.subscribe('trades', (trade, { retained }) => {
    if (retained && trade.bookedAt < plan.startedAt) return
    console.log(
      options.json ? JSON.stringify({ type: 'trade', trade: toPlain(trade) }) : tradeLine(trade, style()),
    )
  })
  bus.subscribe('paper-trades', (trade, { retained }) => {
    if (retained) return
    console.log(
      options.json
        ? JSON.stringify({ type: 'paper-trade', trade: toPlain(trade) })
        : paperTradeLine(trade, style()),
    )
  })
  return () => bus.close()
}
