/** Shared records in memory, for tests of one process. */
import type { Kept, RecordKind, Records } from '../../src/ports/records.ts'

export class MemoryRecords implements Records {
  readonly #now: () => number
  readonly #kept = new Map<
    string,
    Kept<unknown> & { readonly kind: RecordKind; readonly expiresAt: number }
  >()

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  async read<T>(kind: RecordKind, id: string): Promise<Kept<T> | undefined> {
    const found = this.#kept.get(`${kind} ${id}`)
    return found && found.expiresAt > this.#now()
      ? (structuredClone({ id, value: found.value, version: found.version }) as Kept<T>)
      : undefined
  }

  async create(kind: RecordKind, id: string, value: unknown, expiresAt: number): Promise<boolean> {
    if (await this.read(kind, id)) return false
    this.#kept.set(`${kind} ${id}`, { kind, id, value: structuredClone(value), version: 0, expiresAt })
    return true
  }

  async replace(
    kind: RecordKind,
    id: string,
    version: number,
    value: unknown,
    expiresAt?: number,
  ): Promise<boolean> {
    const found = this.#kept.get(`${kind} ${id}`)
    if (!found || found.version !== version || found.expiresAt <= this.#now()) return false
    this.#kept.set(`${kind} ${id}`, {
      ...found,
      value: structuredClone(value),
      version: version + 1,
      expiresAt: expiresAt ?? found.expiresAt,
    })
    return true
  }

  async list<T>(kind: RecordKind, limit: number): Promise<Kept<T>[]> {
    const all = [...this.#kept.values()]
      .filter((each) => each.kind === kind && each.expiresAt > this.#now())
      .reverse()
    return all
      .slice(0, limit)
      .map(({ id, value, version }) => structuredClone({ id, value, version }) as Kept<T>)
  }
}
