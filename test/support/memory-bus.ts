/** A bus within one process, for tests. */
import type { Bus, MessageInfo } from '../../src/ports/bus.ts'

export class MemoryBus implements Bus {
  readonly connected = true
  readonly #kept = new Map<string, unknown>()
  readonly #handlers = new Map<string, Set<(message: never, info: MessageInfo) => void>>()
  #sequence = 0

  publish(channel: string, message: unknown): void {
    const info = { channel, sequence: ++this.#sequence, gap: false, retained: false }
    for (const handler of this.#handlers.get(channel) ?? [])
      queueMicrotask(() => handler(structuredClone(message) as never, info))
  }

  subscribe<T>(channel: string, handler: (message: T, info: MessageInfo) => void): () => void {
    const handlers = this.#handlers.get(channel) ?? new Set()
    this.#handlers.set(channel, handlers)
    handlers.add(handler as never)
    return () => void handlers.delete(handler as never)
  }

  async get<T>(key: string): Promise<T | undefined> {
    return structuredClone(this.#kept.get(key)) as T | undefined
  }

  async set(key: string, value: unknown): Promise<void> {
    this.#kept.set(key, structuredClone(value))
  }

  close(): void {
    this.#handlers.clear()
  }
}
