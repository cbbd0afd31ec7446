/** Small records that processes share, such as approvals and tasks: plain JSON, kept until it expires, changed only by who has seen its latest version. */

export type RecordKind = 'approval' | 'call' | 'state' | 'task'

export interface Kept<T> {
  readonly id: string
  readonly value: T
  readonly version: number
}

/** Errors: `ledger-unreachable` (retry later). Times in ms since 1970. */
export interface Records {
  /** Undefined for what is not there, or has expired. */
  read<T>(kind: RecordKind, id: string): Promise<Kept<T> | undefined>
  /** False where it is there already. */
  create(kind: RecordKind, id: string, value: unknown, expiresAt: number): Promise<boolean>
  /** False where it has changed since `version`, or is gone. It expires as before where nothing else is said. */
  replace(kind: RecordKind, id: string, version: number, value: unknown, expiresAt?: number): Promise<boolean>
  /** The latest, newest first. */
  list<T>(kind: RecordKind, limit: number): Promise<readonly Kept<T>[]>
}
