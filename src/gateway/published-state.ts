/**
 * What the gateway publishes in the cache of the bus: its breakers every second, and the definitions of all
 * services for services that search and for the next gateway.
 */
import type { Dispatch } from '../adapters/dispatch/dispatcher.ts'
import { DEFINITIONS_KEY } from '../mcp/tool-search.ts'
import type { Bus } from '../ports/bus.ts'
import type { Directory } from './mcp/directory.ts'

const INTERVAL_MS = 1_000
const BREAKERS_TTL_MS = 10 * INTERVAL_MS
const DEFINITIONS_TTL_MS = 86_400_000
/** Unchanged definitions are published again before they expire. */
const REPUBLISH_MS = DEFINITIONS_TTL_MS / 2

export interface PublishedStateOptions {
  bus: Bus
  dispatch: Pick<Dispatch, 'state'>
  directory: Pick<Directory, 'gathered' | 'gathering' | 'remember'>
  /** ms since 1970. */
  now(): number
}

export class PublishedState {
  readonly #options: PublishedStateOptions
  readonly #timer: NodeJS.Timeout
  /** When the definitions have to be published, ms since 1970. */
  #due = 0

  constructor(options: PublishedStateOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#publish(), INTERVAL_MS)
    void options.directory.gathering.then(() => this.#publishDefinitions())
  }

  /** The definitions have changed: they are published within a second. */
  definitionsChanged(): void {
    this.#due = 0
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #publish(): void {
    const { bus, dispatch } = this.#options
    bus.set('gateway:breakers', dispatch.state(), BREAKERS_TTL_MS).catch(() => undefined)
    this.#publishDefinitions()
  }

  #publishDefinitions(): void {
    const { bus, directory, now } = this.#options
    if (!directory.gathered || now() < this.#due) return
    this.#due = now() + REPUBLISH_MS
    bus.set(DEFINITIONS_KEY, directory.remember(), DEFINITIONS_TTL_MS).catch(() => {
      this.#due = 0
    })
  }
}
