/**
 * The healing reducer: `nextFleet(state, event, now, policy)` gives the next state of the whole fleet and what is to be done.
 * Pure: no clock, no randomness but the seed in the state. The state is plain data, so a supervisor that dies leaves it behind for the next.
 * Times are ms of a clock that only runs forward.
 */
import { backoffDelay } from '../../std/backoff.ts'
import { Draft, type Step, same } from './draft.ts'
import { blame, halves } from './isolation.ts'
import {
  dependants,
  type FleetEvent,
  type FleetState,
  type HealingPolicy,
  isRunning,
  type Unit,
  type UnitSpec,
  unwellUntil,
} from './state.ts'

export function nextFleet(state: FleetState, event: FleetEvent, now: number, policy: HealingPolicy): Step {
  const draft = new Healing(state, now, policy)
  draft.apply(event)
  return draft.step()
}

class Healing extends Draft {
  apply(event: FleetEvent): void {
    switch (event.type) {
      case 'tick':
        for (const id of Object.keys(this.units)) this.#tick(this.unit(id))
        this.#fillSpares()
        break
      case 'loaded':
        if (event.process in this.spares) this.spares = { ...this.spares, [event.process]: true }
        break
      case 'health':
        this.#health(event.process, event.services)
        break
      case 'released': {
        const unit = this.unitOf(event.process)
        if (
          unit?.successor &&
          unit.successor.phase === 'draining' &&
          isRunning(unit.state) &&
          unit.state.process === event.process
        )
          this.effects.push({ type: 'begin', process: unit.successor.process })
        break
      }
      case 'hung': {
        // Its exit, which follows, is what counts as the failure.
        this.effects.push({ type: 'kill', process: event.process })
        const unit = this.unitOf(event.process) ?? this.unitWhoseSuccessorIs(event.process)
        if (unit) this.incident(unit, 'hung', event.detail, 'it is killed and replaced')
        break
      }
      case 'failed':
        this.#blame([event.service], event.detail)
        break
      case 'exited':
        this.#exited(event)
        break
      case 'restart':
        this.#restart(this.unit(event.unit), event.reason)
        break
      case 'stop':
        this.#stop(this.unit(event.unit), event.reason, event.forMs)
        break
      case 'start': {
        const unit = this.unit(event.unit)
        if (
          unit.state.status === 'stopped' ||
          unit.state.status === 'backing-off' ||
          unit.state.status === 'quarantined'
        )
          this.#start({ ...unit, quick: 0, failures: [], trials: 0 })
        else if (unit.state.status === 'stopping')
          this.write({ ...unit, state: { ...unit.state, next: 'start' } })
        break
      }
      case 'isolate': {
        const unit = this.unitHosting(event.service)
        if (unit && unit.spec.services.length > 1) this.#split(unit, [[event.service]], event.reason)
        break
      }
      case 'bring-home': {
        const unit = this.unitHosting(event.service)
        if (unit?.spec.home !== undefined) this.#goHome(unit)
        break
      }
      case 'scale':
        this.#scale(event.service, event.instances)
        break
      case 'resize':
        this.#resize(this.unit(event.unit), event.heapMb, event.reason)
        break
      case 'dependency-replaced':
        // What follows the old one is of no use any more, spares included.
        for (const process of Object.keys(this.spares)) this.effects.push({ type: 'kill', process })
        for (const unit of Object.values(this.units))
          if (unit.spec.follows?.includes(event.unit)) this.#restartInPlace(unit)
        break
      case 'settled':
        this.state = { ...this.state, settled: true }
        break
    }
  }

  /** Time passes. */
  #tick(unit: Unit): void {
    const { state, successor } = unit
    const now = this.now
    if (successor && now >= successor.until) {
      if (successor.phase === 'opening') this.#abandon(unit, 'its successor did not open in time')
      else {
        this.effects.push({ type: 'kill', process: (state as { process: string }).process })
        this.write({ ...unit, successor: { ...successor, until: now + this.policy.graceMs } })
      }
      return
    }
    switch (state.status) {
      case 'stopped':
        if (state.wanted || (state.until !== undefined && now >= state.until)) this.#start(unit)
        break
      case 'backing-off':
        if (now >= state.until) this.#start(unit)
        break
      case 'quarantined':
        if (now >= state.until && this.#waitsFor(unit) === undefined) {
          this.incident(
            unit,
            'tried-again',
            `set aside ${Math.round((now - state.since) / 1_000)} s ago: ${state.detail}`,
            'it is started on trial',
          )
          this.#start({ ...unit, trials: unit.trials + 1 })
        }
        break
      case 'starting':
        if (unit.spec.kind === 'infrastructure' && now - state.since >= this.policy.startMs) {
          this.effects.push({ type: 'kill', process: state.process })
          this.write({ ...unit, state: { ...state, since: now } })
        } else this.#mend(unit)
        break
      case 'stopping':
        if (now >= state.killAt) {
          this.effects.push({ type: 'kill', process: state.process })
          this.write({ ...unit, state: { ...state, killAt: now + this.policy.graceMs } })
        }
        break
      case 'healthy':
        if (unit.spec.home !== undefined && now - state.since >= this.policy.homeMs) this.#goHome(unit)
        else if (unit.reconnect && now >= unit.reconnect.until) {
          const { reconnect: _, ...rest } = unit
          this.write(rest)
        } else if (unit.trials > 0 && now - state.since >= this.policy.trialMs)
          this.write({ ...unit, trials: 0, failures: [], quick: 0 })
        else if (unit.mends > 0 && now - state.since >= this.policy.unwellMs)
          this.write({ ...unit, mends: 0 })
        break
      case 'degraded':
        this.#mend(unit)
        break
    }
  }

  /** One that stays unwell while all it needs is there is started anew: soon where it was told to connect again, else later each time. */
  #mend(unit: Unit): void {
    const { reconnect, spec } = unit
    if (unit.successor || this.#waitsFor(unit) !== undefined) return
    if (reconnect && this.now >= reconnect.until)
      this.incident(
        unit,
        'not-reconnected',
        `it did not connect to ${reconnect.to} again within ${this.policy.reconnectMs} ms`,
        'it is started anew',
      )
    else if (spec.kind === 'cell' && this.now >= unwellUntil(unit, this.policy))
      this.incident(
        unit,
        'stayed-unwell',
        Object.entries(unit.readiness)
          .find(([, reason]) => reason !== null)
          ?.join(': ') ?? 'it was not heard of',
        'it is started anew',
      )
    else return
    const { reconnect: _, ...rest } = unit
    this.#restartInPlace({ ...rest, mends: unit.mends + 1 })
  }

  #start(unit: Unit): void {
    const { spec } = unit
    const waitsFor = this.#waitsFor(unit)
    if (waitsFor !== undefined) {
      const detail = `waits for ${waitsFor}`
      if (unit !== this.units[spec.id] || unit.state.status !== 'stopped' || unit.state.detail !== detail)
        this.write({ ...unit, state: { status: 'stopped', wanted: true, detail } })
      return
    }
    if (unit.standIn) this.effects.push({ type: 'kill', process: unit.standIn })
    const { standIn: _, successor: __, reconnect: ___, ...rest } = unit
    const process = this.#processFor(spec)
    if (spec.kind === 'cell') this.#host(process, spec, false)
    this.write({ ...rest, readiness: {}, state: { status: 'starting', process, since: this.now } })
  }

  #host(process: string, spec: UnitSpec, hold: boolean): void {
    this.effects.push({
      type: 'host',
      process,
      unit: spec.id,
      services: spec.services,
      hold,
      ...(spec.instance === undefined ? {} : { instance: spec.instance }),
    })
  }

  /** What it needs and is not there, or undefined. */
  #waitsFor({ spec }: Unit): string | undefined {
    return spec.after.find((id) => {
      const needed = this.units[id]
      return needed !== undefined && needed.state.status !== 'healthy' && needed.state.status !== 'degraded'
    })
  }

  #processFor(spec: UnitSpec): string {
    const spare = spec.fromSpare && spec.heapMb === undefined ? this.takeSpare() : undefined
    return spare ?? this.spawn(spec.id, spec.heapMb)
  }

  #fillSpares(): void {
    if (!this.state.settled || this.now < this.state.spareAt) return
    while (Object.keys(this.spares).length < this.policy.spares)
      this.spares = { ...this.spares, [this.spawn(null)]: false }
  }

  #health(
    process: string,
    services: readonly {
      readonly id: string
      readonly ready: boolean
      readonly reason?: string
      readonly held?: boolean
    }[],
  ): void {
    const standing = this.unitWhoseSuccessorIs(process)
    if (standing?.successor?.phase === 'opening') {
      if (
        standing.spec.services.every((id) =>
          services.some((item) => item.id === id && (item.ready || item.held)),
        )
      ) {
        this.effects.push({ type: 'drain', process: (standing.state as { process: string }).process })
        this.write({
          ...standing,
          successor: { ...standing.successor, phase: 'draining', until: this.now + this.policy.graceMs },
        })
      }
      return
    }
    const unit = this.unitOf(process)
    if (!unit || !isRunning(unit.state)) return
    const readiness = Object.fromEntries(
      services.map(({ id, ready, reason }) => [id, ready ? null : (reason ?? 'not ready')]),
    )
    const wanted = unit.spec.kind === 'infrastructure' ? [unit.spec.id] : unit.spec.services
    const missing = wanted.find((id) => readiness[id] !== null)
    const { state } = unit
    const next = { ...unit, readiness }
    if (missing === undefined) {
      const { reconnect: _, failedAt, ...rest } = next
      if (state.status === 'healthy' && !unit.reconnect && same(unit.readiness, readiness)) return
      this.write({
        ...rest,
        failing: false,
        everReady: true,
        state: { status: 'healthy', process, since: state.since },
      })
      if (failedAt !== undefined)
        this.incident(
          unit,
          'recovered',
          `healthy again ${Math.round(this.now - failedAt)} ms after it failed`,
          'none',
          this.now - failedAt,
        )
      if (state.status !== 'healthy') this.#recovered(unit)
    } else if (state.status !== 'healthy' && same(unit.readiness, readiness)) {
      // Nothing new.
    } else if (state.status === 'starting') {
      this.write(next)
    } else
      this.write({
        ...next,
        state: {
          status: 'degraded',
          process,
          since: state.since,
          from: state.status === 'degraded' ? state.from : this.now,
          detail: `${missing}: ${readiness[missing] ?? 'not heard of'}`,
        },
      })
  }

  /** It is up (again): who stands on it is told to connect again at once, not when its own patience ends; who waits to start does so. */
  #recovered(unit: Unit): void {
    const by = dependants(Object.values(this.units), unit.spec.id)
    for (const { spec } of by) {
      const dependant = this.unit(spec.id)
      if (isRunning(dependant.state)) {
        if (!unit.everReady) continue
        this.effects.push({ type: 'reconnect', process: dependant.state.process, to: unit.spec.id })
        this.write({
          ...dependant,
          reconnect: { to: unit.spec.id, until: this.now + this.policy.reconnectMs },
        })
      } else if (
        dependant.state.status === 'backing-off' ||
        (dependant.state.status === 'stopped' && dependant.state.wanted)
      )
        this.#start(dependant)
    }
  }

  #exited(event: FleetEvent & { type: 'exited' }): void {
    const { process, detail } = event
    if (process in this.spares) {
      this.dropSpare(process)
      this.state = { ...this.state, spareAt: this.now + this.policy.spareMs }
      return
    }
    const aside = Object.values(this.units).find((unit) => unit.standIn === process)
    if (aside) {
      const { standIn: _, ...rest } = aside
      this.write(rest)
      if (aside.state.status === 'quarantined') this.#standIn(this.unit(aside.spec.id))
      return
    }
    const standing = this.unitWhoseSuccessorIs(process)
    if (standing) {
      this.#abandon(standing, `its successor ${detail}`)
      return
    }
    const unit = this.unitOf(process)
    if (!unit) return
    const { state, successor } = unit
    if (state.status === 'stopping') {
      this.#ended(unit, state.next, state.until)
      return
    }
    if (!isRunning(state)) return
    if (successor) {
      // The hand-over was planned or came just in time: what waits in the successor begins.
      const { successor: _, ...rest } = unit
      this.effects.push({ type: 'begin', process: successor.process })
      this.write({
        ...rest,
        readiness: {},
        restarts: unit.restarts + 1,
        state: { status: 'starting', process: successor.process, since: successor.since },
      })
      return
    }
    this.#failed(unit, event)
  }

  #ended(unit: Unit, next: 'start' | 'stop' | 'home' | 'remove', until?: number): void {
    if (next === 'start') this.#start(unit)
    else if (next === 'stop')
      this.write({
        ...unit,
        state: {
          status: 'stopped',
          wanted: false,
          detail: 'stopped on purpose',
          ...(until === undefined ? {} : { until }),
        },
      })
    else {
      this.remove(unit.spec.id)
      const home = next === 'home' ? this.units[unit.spec.home as string] : undefined
      if (next === 'home' && home) {
        const services = [...home.spec.services, ...unit.spec.services]
        this.write({ ...home, spec: { ...home.spec, services } })
        if (isRunning(home.state))
          this.effects.push({
            type: 'host',
            process: home.state.process,
            unit: home.spec.id,
            services: unit.spec.services,
            hold: false,
          })
      }
    }
  }

  #failed(unit: Unit, { detail, suspects, meant }: FleetEvent & { type: 'exited' }): void {
    const policy = this.policy
    const now = this.now
    const state = unit.state as Extract<Unit['state'], { process: string }>
    const stable =
      state.status !== 'stopping' && now - state.since >= (unit.trials > 0 ? policy.trialMs : policy.stableMs)
    const failures = meant
      ? unit.failures
      : [...unit.failures.filter((at) => at > now - policy.windowMs), now]
    const quick = stable || meant ? 0 : unit.quick + 1
    const trials = stable ? 0 : unit.trials
    const next: Unit = {
      ...unit,
      failures: trials === 0 && unit.trials > 0 ? [] : failures,
      quick,
      trials,
      failing: true,
      failedAt: unit.failedAt ?? now,
      restarts: unit.restarts + 1,
      readiness: {},
    }
    if (!policy.autoRestart) {
      this.incident(unit, 'exited', detail, 'AUTO_RESTART is off: it stays ended')
      this.write({
        ...next,
        state: { status: 'stopped', wanted: false, detail: `${detail}; AUTO_RESTART is off` },
      })
      return
    }
    if (!meant) this.#blame(suspects, detail)
    const groups = unit.spec.services.length > 1 && !meant ? this.#groups(next) : undefined
    if (groups) {
      this.incident(unit, 'exited', detail, 'its services are parted')
      this.#split(next, groups.parts, groups.reason)
      return
    }
    if (trials > 0 || next.failures.length >= policy.most) {
      const wait = Math.min(policy.quarantineMostMs, policy.quarantineMs * 2 ** trials)
      this.incident(
        unit,
        'quarantined',
        `${detail}; ${trials > 0 ? `it failed on trial ${trials}` : `it failed ${next.failures.length} times within ${policy.windowMs / 1_000} s`}`,
        `it is set aside and tried again in ${wait / 1_000} s`,
      )
      this.write({ ...next, state: { status: 'quarantined', since: now, until: now + wait, detail } })
      this.#standIn(this.unit(unit.spec.id))
      return
    }
    const delay = backoffDelay(quick - 1, policy.backoff, this.random())
    this.incident(
      unit,
      'exited',
      detail,
      delay === 0 ? 'it is started again' : `it is started again in ${delay} ms`,
    )
    if (delay > 0) this.write({ ...next, state: { status: 'backing-off', until: now + delay, detail } })
    else this.#start(next)
  }

  #blame(services: readonly string[], detail: string): void {
    this.state = {
      ...this.state,
      blame: blame(this.state.blame, services, detail, this.now, this.policy.blameMs),
    }
  }

  /** Which services are to part company: one that was caught twice, or halves where nobody was caught. */
  #groups(unit: Unit): { parts: string[][]; reason: string } | undefined {
    const culprit = unit.spec.services.find(
      (id) => (this.state.blame[id]?.length ?? 0) >= this.policy.blameMost,
    )
    if (culprit !== undefined)
      return {
        parts: [[culprit]],
        reason: `${culprit} was running each time its process failed: ${this.state.blame[culprit]?.at(-1)?.detail}`,
      }
    if (unit.failures.length < this.policy.halveAfter || unit.failures.length % this.policy.halveAfter !== 0)
      return undefined
    if (unit.spec.services.some((id) => this.state.blame[id])) return undefined
    return {
      parts: [halves(unit.spec.services)[1]],
      reason: 'nothing tells which of its services it was, so they are parted in halves',
    }
  }

  /** Takes some services out of a unit whose process is gone or goes; each part gets a process of its own. */
  #split(unit: Unit, parts: readonly (readonly string[])[], reason: string): void {
    const moving = parts.flat()
    const { spec } = unit
    const rest = { ...unit, spec: { ...spec, services: spec.services.filter((id) => !moving.includes(id)) } }
    this.incident(
      unit,
      'isolated',
      `${moving.join(', ')} out of ${spec.id}: ${reason}`,
      'a process of its own',
    )
    // A process that still runs lets go of them; one that ended is replaced without them.
    if (
      isRunning(unit.state) &&
      this.effects.every((effect) => effect.type !== 'kill') &&
      unit.failing === false
    ) {
      this.effects.push({ type: 'release', process: unit.state.process, services: moving })
      this.write(rest)
    } else this.#start(rest)
    for (const services of parts) {
      const id = services.length === 1 ? (services[0] as string) : `${spec.id}~${services[0]}`
      this.#start({
        spec: { ...spec, id, services, home: spec.home ?? spec.id },
        state: { status: 'stopped', wanted: true },
        failures: services.length === 1 ? unit.failures : [],
        quick: services.length === 1 ? unit.quick : 0,
        mends: 0,
        trials: 0,
        restarts: 0,
        readiness: {},
        everReady: false,
        failing: true,
        failedAt: this.now,
      })
    }
  }

  #goHome(unit: Unit): void {
    const home = this.units[unit.spec.home as string]
    if (home?.state.status !== 'healthy' || home.successor || unit.successor) return
    this.incident(
      unit,
      'home',
      `${unit.spec.services.join(', ')} behaved for ${Math.round(this.policy.homeMs / 60_000)} minutes`,
      `back into ${home.spec.id}`,
    )
    this.#terminate(unit, 'home')
  }

  #scale(service: string, instances: number): void {
    const main = this.unitHosting(service)
    if (!main) return
    const ids = (count: number) =>
      Array.from({ length: Math.max(0, count - 1) }, (_, index) => `${service}#${index + 2}`)
    for (const [index, id] of ids(instances).entries()) {
      if (this.units[id]) continue
      this.#start({
        spec: { ...main.spec, id, services: [service], instance: index + 2 },
        state: { status: 'stopped', wanted: true },
        failures: [],
        quick: 0,
        mends: 0,
        trials: 0,
        restarts: 0,
        readiness: {},
        everReady: false,
        failing: false,
      })
    }
    const kept = new Set(ids(instances))
    for (const unit of Object.values(this.units)) {
      if (unit.spec.instance === undefined || unit.spec.services[0] !== service || kept.has(unit.spec.id))
        continue
      if (isRunning(unit.state)) this.#terminate(unit, 'remove')
      else if (unit.state.status !== 'stopping') this.remove(unit.spec.id)
    }
  }

  /** A planned restart: where a spare may stand in, it opens first, and the old one then drains. */
  #restart(unit: Unit, reason: string): void {
    if (unit.successor) return
    if (!isRunning(unit.state)) {
      this.#restartInPlace(unit)
      return
    }
    this.incident(
      unit,
      'restarted',
      reason,
      unit.spec.fromSpare ? 'a stand-in opens first' : 'it stops and starts again',
    )
    if (!unit.spec.fromSpare) {
      this.#terminate(unit, 'start')
      return
    }
    const process = this.#processFor(unit.spec)
    this.#host(process, unit.spec, true)
    this.write({
      ...unit,
      successor: { process, phase: 'opening', since: this.now, until: this.now + this.policy.openMs },
    })
  }

  /** Another limit of its heap needs another process. */
  #resize(unit: Unit, heapMb: number | null, reason: string): void {
    if (unit.spec.kind !== 'cell' || (unit.spec.heapMb ?? null) === heapMb || unit.successor) return
    const { heapMb: _, ...spec } = unit.spec
    const next = { ...unit, spec: heapMb === null ? spec : { ...spec, heapMb } }
    this.write(next)
    this.#restart(next, reason)
  }

  #restartInPlace(unit: Unit): void {
    if (isRunning(unit.state)) this.#terminate(unit, 'start')
    else if (unit.state.status === 'stopping')
      this.write({ ...unit, state: { ...unit.state, next: 'start' } })
    else this.#start({ ...unit, failures: [], quick: 0, trials: 0 })
  }

  #terminate(unit: Unit, next: 'start' | 'stop' | 'home' | 'remove'): void {
    if (!isRunning(unit.state)) return
    if (unit.successor) this.effects.push({ type: 'kill', process: unit.successor.process })
    const { successor: _, ...rest } = unit
    this.effects.push({ type: 'drain', process: unit.state.process })
    this.write({
      ...rest,
      restarts: unit.restarts + (next === 'start' ? 1 : 0),
      state: {
        status: 'stopping',
        process: unit.state.process,
        next,
        killAt: this.now + this.policy.graceMs,
      },
    })
  }

  #stop(unit: Unit, reason: string, forMs?: number): void {
    const until = forMs === undefined ? {} : { until: this.now + forMs }
    if (isRunning(unit.state)) {
      this.#terminate(unit, 'stop')
      const stopping = this.unit(unit.spec.id)
      this.write({
        ...stopping,
        state: { ...(stopping.state as Extract<Unit['state'], { status: 'stopping' }>), ...until },
      })
    } else if (unit.state.status === 'stopping')
      this.write({ ...unit, state: { ...unit.state, next: 'stop', ...until } })
    else {
      if (unit.standIn) this.effects.push({ type: 'kill', process: unit.standIn })
      const { standIn: _, ...rest } = unit
      this.write({ ...rest, state: { status: 'stopped', wanted: false, detail: reason, ...until } })
    }
  }

  /** The hand-over is off: the old one goes on, or, where it was already draining, is replaced as if it had stopped. */
  #abandon(unit: Unit, reason: string): void {
    const { successor, ...rest } = unit
    if (!successor) return
    this.incident(
      unit,
      'hand-over-failed',
      reason,
      successor.phase === 'opening' ? 'the old one goes on' : 'another one starts',
    )
    this.effects.push({ type: 'kill', process: successor.process })
    if (successor.phase === 'opening' || !isRunning(unit.state)) this.write(rest)
    else
      this.write({
        ...rest,
        state: {
          status: 'stopping',
          process: unit.state.process,
          next: 'start',
          killAt: this.now + this.policy.graceMs,
        },
      })
  }

  #standIn(unit: Unit): void {
    if (unit.spec.services.length === 0 || unit.state.status !== 'quarantined') return
    const process = this.takeSpare() ?? this.spawn(null)
    this.effects.push({ type: 'stand-in', process, services: unit.spec.services, reason: unit.state.detail })
    this.write({ ...unit, standIn: process })
  }
}
