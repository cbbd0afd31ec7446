/**
 * The cache entries that this process wrote and that are still valid. The bus keeps entries in memory only:
 * after a reconnection their writers write them again.
 */

/** An entry as it is stored: its text, and when it was written and expires (ms since 1970). */
export interface KeptEntry {
  readonly key: string
  readonly value: string
  readonly at: number
  readonly expiresAt: number
}

/** More entries are not kept; the oldest are dropped first. */
const MAX_KEPT = 10_000

export class KeptEntries {
  readonly #entries = new Map<string, KeptEntry>()

  /** Keeps an entry in place of the key's earlier one. */
  keep(entry: KeptEntry): void {
    this.#entries.delete(entry.key)
    this.#entries.set(entry.key, entry)
    if (this.#entries.size > MAX_KEPT) this.#entries.delete(this.#entries.keys().next().value as string)
  }

  /** The entries that are valid at `now`, oldest first; expired ones are dropped. */
  valid(now: number): KeptEntry[] {
    for (const { key, expiresAt } of this.#entries.values()) if (expiresAt <= now) this.#entries.delete(key)
    return [...this.#entries.values()]
  }
}
