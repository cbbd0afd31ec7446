/** A bus within one process, for tests. */
import type { Bus, CacheEntries, Channels, MessageInfo } from '../../src/ports/bus.ts'

export class MemoryBus<C extends object = Channels, E extends object = CacheEntries> implements Bus<C, E> {
  readonly connected = true
  readonly #kept = new Map<string, unknown>()
  readonly #handlers = new Map<string, Set<(message: never, info: MessageInfo) => void>>()
  readonly #watchers = new Map<string, Set<(value: never) => void>>()
  #sequence = 0

  publish<K extends keyof C & string>(channel: K, message: C[K]): void {
    const info = { channel, sequence: ++this.#sequence, gap: false, retained: false }
    for (const handler of this.#handlers.get(channel) ?? [])
      queueMicrotask(() => handler(structuredClone(message) as never, info))
  }

  subscribe<K extends keyof C & string>(
    channel: K,
    handler: (message: C[K], info: MessageInfo) => void,
  ): () => void {
    const handlers = this.#handlers.get(channel) ?? new Set()
    this.#handlers.set(channel, handlers)
    handlers.add(handler as never)
    return () => void handlers.delete(handler as never)
  }

  async get<K extends keyof E & string>(key: K): Promise<E[K] | undefined> {
    return structuredClone(this.#kept.get(key)) as E[K] | undefined
  }

  async set<K extends keyof E & string>(key: K, value: E[K]): Promise<void> {
    this.#kept.set(key, structuredClone(value))
    for (const handler of this.#watchers.get(key) ?? []) handler(structuredClone(value) as never)
  }

  watch<K extends keyof E & string>(key: K, handler: (value: E[K]) => void): () => void {
    const watchers = this.#watchers.get(key) ?? new Set()
    this.#watchers.set(key, watchers.add(handler))
    if (this.#kept.has(key)) handler(structuredClone(this.#kept.get(key)) as E[K])
    return () => void watchers.delete(handler)
  }

  close(): void {
    this.#handlers.clear()
  }
}
