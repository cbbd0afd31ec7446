/**
 * Messages between processes, and a small cache. Messages are numbered per channel: a subscriber that sees a
 * gap requests a snapshot. The bus may lose its memory; its writers then restore the cache.
 */
import type { FleetDefinitions, ServerTags } from './definitions.ts'
import type { PaperTrade, Trade } from './ledger.ts'
import type {
  BreakerReport,
  CapturedShare,
  ClientMessage,
  DecisionMade,
  Detection,
  PriceUpdate,
  Sent,
  SessionChange,
  SessionState,
} from './messages.ts'

/** Every channel of the bus and the type of its messages. */
export interface Channels {
  opportunities: Detection
  /** Searches on top of a pending transaction. */
  'pending-opportunities': Detection
  decisions: DecisionMade
  sent: Sent
  trades: Trade
  'paper-trades': PaperTrade
  captured: CapturedShare
  prices: PriceUpdate
  /** All tags, after each change. */
  'server-tags': ServerTags
  'mcp:answers': ClientMessage
  'mcp:sessions': SessionChange
}

/** Every key of the cache and the type of its value. */
export interface CacheEntries {
  'gateway:definitions': FleetDefinitions
  'gateway:breakers': BreakerReport
  /** By a hash of the session's id. */
  [session: `mcp:session:${string}`]: SessionState
}

/** Facts of a delivered message. */
export interface MessageInfo {
  readonly channel: string
  /** Rises by one per message of the channel; by more after the bus lost its memory. */
  readonly sequence: number
  /** Whether messages before this one were missed. */
  readonly gap: boolean
  /** Whether it is the channel's last message, delivered to a new subscriber. */
  readonly retained: boolean
}

/**
 * The message bus. `C` maps channels to messages, `E` cache keys to values; both differ from the fleet's own
 * only in tests.
 */
export interface Bus<C extends object = Channels, E extends object = CacheEntries> {
  /**
   * Delivers to the current subscribers; only the channel's last message is kept. Never throws; an
   * undeliverable message is dropped.
   */
  publish<K extends keyof C & string>(channel: K, message: C[K]): void
  /** Returns an unsubscribe function. */
  subscribe<K extends keyof C & string>(
    channel: K,
    handler: (message: C[K], info: MessageInfo) => void,
  ): () => void
  /** The value of a key, undefined after its time to live. Throws `bus-unreachable` (retry later). */
  get<K extends keyof E & string>(key: K): Promise<E[K] | undefined>
  /**
   * Stores a value. While this process lives and the value is valid, it is stored again whenever the bus
   * returns without it, unless another process wrote a newer one. Throws `bus-unreachable` (retry later); the
   * value is then stored when the bus returns.
   */
  set<K extends keyof E & string>(key: K, value: E[K], ttlMs: number): Promise<void>
  /**
   * Delivers the value of a key, if there is one, and each value that is set later; the same one may come
   * twice. Returns how to stop.
   */
  watch<K extends keyof E & string>(key: K, handler: (value: E[K]) => void): () => void
  readonly connected: boolean
  /** Replaces connections that may be dead although they look open. */
  reopen?(): void
  close(): void
}
