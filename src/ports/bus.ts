/** Messages between processes, and a small cache. Messages are numbered per channel: who sees a gap asks for a snapshot. */
export interface MessageInfo {
  readonly channel: string
  /** Rises by one per message of the channel while the hub lives. */
  readonly sequence: number
  /** Whether messages before this one were missed. */
  readonly gap: boolean
  /** Whether it is the channel's last message, handed to a new subscriber. */
  readonly retained: boolean
}

export interface Bus {
  /** Delivers to whoever listens now; nothing is kept but the channel's last message. Never throws: what cannot be delivered is dropped. */
  publish(channel: string, message: unknown): void
  subscribe<T>(channel: string, handler: (message: T, info: MessageInfo) => void): () => void
  /** Errors: `bus-unreachable` (retry later). */
  get<T>(key: string): Promise<T | undefined>
  set(key: string, value: unknown, ttlMs: number): Promise<void>
  readonly connected: boolean
  close(): void
}
