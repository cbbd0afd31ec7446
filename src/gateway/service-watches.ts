/** Subscriptions of the gateway to the services: updates of resources, and changes of lists. */
import { type Watch, watchServer } from '../mcp/client.ts'
import type { Directory } from './mcp/directory.ts'

export interface ServiceWatchesOptions {
  directory: Directory
  /** The MCP address of a service. */
  urlOf(service: string): string
  /** The gateway's own token for services. */
  bearer(): string | undefined
  onUpdate(uri: string): void
}

/** One subscription per service that has watched resources or changing lists. */
export class ServiceWatches {
  readonly #options: ServiceWatchesOptions
  readonly #watches = new Map<string, Watch>()

  constructor(options: ServiceWatchesOptions) {
    this.#options = options
  }

  /** Subscribes to the services that the directory learned of since the last call. */
  update(): void {
    const { directory, urlOf, bearer, onUpdate } = this.#options
    for (const [service, { uris, changing }] of directory.watched) {
      if (this.#watches.has(service)) continue
      const onListChange = changing ? () => void directory.refresh(service) : undefined
      const server = { url: urlOf(service), token: bearer }
      this.#watches.set(service, watchServer(server, { uris, onUpdate, onListChange }))
    }
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.close()
  }
}
