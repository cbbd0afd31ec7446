/** Requests over a connection: each carries an id, and its answer carries the same one. */

interface Pending<Answer> {
  resolve(answer: Answer): void
  reject(error: Error): void
  readonly timer: NodeJS.Timeout
}

/** How long requests wait, and how they fail. */
export interface PendingRequestsOptions {
  /** A request without an answer fails after this time. */
  readonly timeoutMs: number
  /** The error of a request that failed, by the reason. */
  unreachable(reason: string): Error
}

/** The requests of one connection that wait for their answers. */
export class PendingRequests<Answer> {
  readonly #options: PendingRequestsOptions
  readonly #pending = new Map<number, Pending<Answer>>()
  #nextId = 1

  constructor(options: PendingRequestsOptions) {
    this.#options = options
  }

  /**
   * Sends a request under a new id. Resolves with its answer; rejects if it is rejected, or after the
   * timeout.
   */
  request(send: (id: number) => void): Promise<Answer> {
    const { timeoutMs, unreachable } = this.#options
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.reject(id, unreachable(`no answer within ${timeoutMs} ms`)),
        timeoutMs,
      )
      this.#pending.set(id, { resolve, reject, timer })
      send(id)
    })
  }

  /** The answer to a request; ignored if the request does not wait any more. */
  resolve(id: number, answer: Answer): void {
    this.#take(id)?.resolve(answer)
  }

  /** The failure of a request; ignored if the request does not wait any more. */
  reject(id: number, error: Error): void {
    this.#take(id)?.reject(error)
  }

  /** The connection is lost: all requests fail. */
  rejectAll(reason: string): void {
    for (const id of [...this.#pending.keys()]) this.reject(id, this.#options.unreachable(reason))
  }

  #take(id: number): Pending<Answer> | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    clearTimeout(pending?.timer)
    return pending
  }
}
