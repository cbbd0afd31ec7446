/** Small records that processes share: plain JSON with an expiry and optimistic locking by version. */

/** `call`: outcome of a call with an idempotency key; `state`: nonce of a request state that was consumed. */
export type RecordKind = 'approval' | 'call' | 'state' | 'task'

/** A record with its version, which grows with each change. */
export interface Kept<T> {
  readonly id: string
  readonly value: T
  readonly version: number
}

/** Errors: `ledger-unreachable` (retry later). Times in ms since 1970. */
export interface Records {
  /** Undefined if the record does not exist or has expired. */
  read<T>(kind: RecordKind, id: string): Promise<Kept<T> | undefined>
  /** Creates a record; false if it exists. */
  create(kind: RecordKind, id: string, value: unknown, expiresAt: number): Promise<boolean>
  /**
   * Replaces a record; false if it changed since `version` or does not exist. Default of `expiresAt`:
   * unchanged.
   */
  replace(kind: RecordKind, id: string, version: number, value: unknown, expiresAt?: number): Promise<boolean>
  /** The latest records, newest first. */
  list<T>(kind: RecordKind, limit: number): Promise<readonly Kept<T>[]>
}
