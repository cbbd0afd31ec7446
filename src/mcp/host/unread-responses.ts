/**
 * Bounds what a service holds in memory for clients that do not read: bytes of responses that were written
 * but not yet taken by their connection.
 */
import type { ServerResponse } from 'node:http'
import { KintsugiError } from '../../std/errors.ts'

/** The limits of what a service holds for clients that do not read. */
export interface UnreadLimits {
  /** Unread bytes of all clients; more are refused. */
  readonly maxBytes: number
  /** Unread bytes of one client. */
  readonly maxClientBytes: number
  /** A connection that takes nothing for this long while bytes wait for it is ended. */
  readonly stalledMs: number
  /** At a limit, responses that have waited longer are ended to make room. */
  readonly slowMs: number
}

const UNREAD_LIMITS: UnreadLimits = {
  maxBytes: 32 * 1024 * 1024,
  maxClientBytes: 16 * 1024 * 1024,
  stalledMs: 10_000,
  slowMs: 5_000,
}

interface Open {
  readonly client: string
  /** Since when bytes wait, as far as seen, in ms. */
  unreadSince: number | undefined
}

/** The responses of a service that its clients have not read yet. */
export class UnreadResponses {
  readonly #limits: UnreadLimits
  readonly #now: () => number
  readonly #open = new Map<ServerResponse, Open>()

  /** `now` is in ms. */
  constructor(now: () => number, limits = UNREAD_LIMITS) {
    this.#now = now
    this.#limits = limits
  }

  /**
   * Follows a response until its connection has taken it. Throws `busy` (retry later) while its client, or
   * all clients together, leave too much unread.
   */
  admit(client: string, response: ServerResponse): void {
    if (this.#excess(client) !== undefined) {
      this.#endSlow()
      const excess = this.#excess(client)
      if (excess !== undefined)
        throw new KintsugiError('busy', `${excess}; the request was not run`, {
          retry: 'later',
          hint: 'read the responses that were requested, or ask for smaller pages',
        })
    }
    this.#open.set(response, { client, unreadSince: undefined })
    response.once('close', () => this.#open.delete(response))
    response.setTimeout(this.#limits.stalledMs, () => {
      if (response.writableLength > 0) response.destroy()
    })
  }

  /** Which limit is exceeded, in words. */
  #excess(client: string): string | undefined {
    const { maxBytes, maxClientBytes } = this.#limits
    const now = this.#now()
    let [total, own] = [0, 0]
    for (const [response, open] of this.#open) {
      const unread = response.writableLength
      open.unreadSince = unread === 0 ? undefined : (open.unreadSince ?? now)
      total += unread
      if (open.client === client) own += unread
    }
    const left = (bytes: number, max: number) => `${mib(bytes)} of responses unread (at most ${mib(max)})`
    if (own > maxClientBytes) return `${client} leaves ${left(own, maxClientBytes)}`
    return total > maxBytes ? `clients leave ${left(total, maxBytes)}` : undefined
  }

  #endSlow(): void {
    const since = this.#now() - this.#limits.slowMs
    for (const [response, { unreadSince }] of this.#open)
      if (unreadSince !== undefined && unreadSince <= since) {
        this.#open.delete(response)
        response.destroy()
      }
  }
}

const mib = (bytes: number): string => `${(bytes / (1024 * 1024)).toFixed(1)} MiB`
