/**
 * The definitions of each service for MCP clients, kept up to date: fetched again when the service's process
 * changes, and at intervals.
 */
import type { FleetDefinitions, ServiceDefinitions } from '../../ports/definitions.ts'
import type { ServiceStatus } from '../../ports/fleet.ts'
import { messageOf } from '../../std/errors.ts'
import { changedLists, type Listings, type ListKind, listingsOf } from './listings.ts'

export interface DirectoryOptions {
  /** A service's definitions. Throws if it does not answer. */
  fetchDefinitions(service: string): Promise<ServiceDefinitions>
  /** ms since 1970. */
  now(): number
  /** Called when a list that clients see has changed. */
  onChange(kind: ListKind): void
}

/** How long a new gateway waits for services that do not answer, before it serves incomplete lists. */
const MAX_GATHERING_MS = 10_000
/** Definitions are always fetched again after this time. */
const MAX_AGE_MS = 60_000
/** Minimum time between two attempts. */
const RETRY_DELAY_MS = 100

interface Entry {
  definitions: ServiceDefinitions | undefined
  /** The process that returned the definitions. */
  process: string
  /** Time of the last attempt, ms since 1970. */
  at: number
  fetching: boolean
  failure: string | undefined
}

export class Directory {
  readonly #options: DirectoryOptions
  readonly #entries = new Map<string, Entry>()
  #listings: Listings = listingsOf(new Map())
  readonly #deadline: number
  readonly #gathering = Promise.withResolvers<void>()
  #gathered = false

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#deadline = options.now() + MAX_GATHERING_MS
  }

  /**
   * Whether every service has returned its definitions once: clients would take an earlier list for the
   * complete one, and an existing tool for an unknown one.
   */
  get gathered(): boolean {
    return this.#gathered
  }

  /** Resolves once `gathered` is true. */
  get gathering(): Promise<void> {
    return this.#gathering.promise
  }

  get tools(): Listings['tools'] {
    return this.#listings.tools
  }

  get resources(): Listings['resources'] {
    return this.#listings.resources
  }

  get templates(): Listings['templates'] {
    return this.#listings.templates
  }

  get prompts(): Listings['prompts'] {
    return this.#listings.prompts
  }

  /** Whether a service with this id runs. */
  serves(service: string): boolean {
    return this.#entries.has(service)
  }

  /** Services whose current process has not returned its definitions, with the reason. */
  get missing(): { service: string; reason: string }[] {
    return [...this.#entries].flatMap(([service, { failure }]) =>
      failure === undefined ? [] : [{ service, reason: failure }],
    )
  }

  /**
   * Adopts definitions that another gateway, or an earlier one, fetched; they are valid until the service's
   * process changes.
   */
  recall(remembered: FleetDefinitions): void {
    const at = this.#options.now()
    for (const [service, { process, definitions }] of Object.entries(remembered))
      this.#entries.set(service, { definitions, process, at, fetching: false, failure: undefined })
    this.#rebuild()
    this.#settle()
  }

  /** All known definitions, for other gateways. */
  remember(): FleetDefinitions {
    return Object.fromEntries(
      [...this.#entries].flatMap(([service, { process, definitions }]) =>
        definitions ? [[service, { process, definitions }]] : [],
      ),
    )
  }

  /** Services that send notifications: the URIs of which resources, and whether their lists change. */
  get watched(): ReadonlyMap<string, { readonly uris: readonly string[]; readonly changing: boolean }> {
    return new Map(
      [...this.#entries].flatMap(([service, { definitions }]) =>
        definitions && (definitions.changing || definitions.watched.length > 0)
          ? [[service, { uris: definitions.watched, changing: definitions.changing }] as const]
          : [],
      ),
    )
  }

  /** Fetches the definitions of a service again, after it reported that its lists changed. */
  async refresh(service: string): Promise<void> {
    const entry = this.#entries.get(service)
    if (entry) await this.#fetch(service, entry, entry.process)
  }

  /**
   * Adopts the supervisor's list of services. Resolves when every service that had to be queried has answered
   * or failed.
   */
  async follow(services: readonly ServiceStatus[]): Promise<void> {
    const running = services.filter(
      ({ kind, id }) => (kind === 'server' || kind === 'agent') && !id.includes('#'),
    )
    const ids = new Set(running.map(({ id }) => id))
    const removed = [...this.#entries.keys()].filter((id) => !ids.has(id))
    const added = [...ids].filter((id) => !this.#entries.has(id))
    for (const id of removed) this.#entries.delete(id)
    // The names of a new service are reserved before its definitions are known.
    for (const id of added) this.#entries.set(id, newEntry())
    if (removed.length + added.length > 0) this.#rebuild()
    this.#settle()
    const now = this.#options.now()
    await Promise.all(
      running.map(async ({ id, pid }) => {
        const process = String(pid)
        const entry = this.#entries.get(id)
        if (entry && isDue(entry, process, now)) await this.#fetch(id, entry, process)
      }),
    )
  }

  async #fetch(service: string, entry: Entry, process: string): Promise<void> {
    entry.fetching = true
    try {
      const definitions = await this.#options.fetchDefinitions(service)
      const before = entry.definitions
      entry.definitions = definitions
      entry.process = process
      entry.failure = undefined
      if (before?.hash !== definitions.hash) this.#rebuild()
    } catch (error) {
      // The previous definitions stay listed: the supervisor is restarting the service.
      entry.failure = messageOf(error)
    } finally {
      entry.fetching = false
      entry.at = this.#options.now()
      this.#settle()
    }
  }

  #settle(): void {
    const isComplete = this.#entries.size > 0 && this.missing.length === 0
    if (this.#gathered || (this.#options.now() < this.#deadline && !isComplete)) return
    this.#gathered = true
    this.#gathering.resolve()
  }

  #rebuild(): void {
    const before = this.#listings
    this.#listings = listingsOf(
      new Map([...this.#entries].map(([service, { definitions }]) => [service, definitions])),
    )
    for (const kind of changedLists(before, this.#listings)) this.#options.onChange(kind)
  }
}

const newEntry = (): Entry => ({
  definitions: undefined,
  process: '',
  at: Number.NEGATIVE_INFINITY,
  fetching: false,
  failure: 'not queried yet',
})

function isDue(entry: Entry, process: string, now: number): boolean {
  const age = now - entry.at
  const isCurrent = entry.process === process && entry.failure === undefined
  return !entry.fetching && age >= RETRY_DELAY_MS && (!isCurrent || age >= MAX_AGE_MS)
}
