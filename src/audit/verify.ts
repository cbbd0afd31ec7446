/**
 * Verification of a log against its heads: any change of the log changes a head, and another party signed the
 * heads. Pure.
 */
import { createHash } from 'node:crypto'
import { append, emptyFrontier, type Frontier, leafHash, rootOf } from './merkle.ts'

/** The root of a log's first `size` entries. */
export interface SignedHead {
  readonly size: number
  /** Hex. */
  readonly root: string
}

/** The digest of a head that a witness signs, 32 bytes in hex. */
export const headDigest = ({ size, root }: SignedHead): `0x${string}` =>
  `0x${createHash('sha256').update(`kintsugi audit ${size} ${root}`).digest('hex')}`

/** Checks entries one page at a time. */
export class LogCheck {
  readonly #heads: Map<number, Set<string>>
  readonly #problems: string[] = []
  #frontier: Frontier = emptyFrontier

  /** `heads`: every head that was stored anywhere. */
  constructor(heads: readonly SignedHead[]) {
    this.#heads = new Map()
    for (const { size, root } of heads) this.#heads.set(size, (this.#heads.get(size) ?? new Set()).add(root))
  }

  /** Entries added so far. */
  get size(): number {
    return this.#frontier.size
  }

  /** Root of the entries added so far, in hex. */
  get root(): string {
    return rootOf(this.#frontier).toString('hex')
  }

  /** Adds the next entries. */
  add(entries: readonly { readonly sequence: number; readonly text: string }[]): void {
    for (const { sequence, text } of entries) {
      if (sequence !== this.#frontier.size)
        this.#problem(
          `entry ${this.#frontier.size} is missing or out of order: found ${sequence} in its place`,
        )
      this.#frontier = append(this.#frontier, leafHash(text))
      const expected = this.#heads.get(this.#frontier.size)
      if (expected && (expected.size > 1 || !expected.has(this.root)))
        this.#problem(`the first ${this.#frontier.size} entries do not match the stored head`)
    }
  }

  /** The problems found; empty if the log is intact. To be called after the last entry. */
  problems(): readonly string[] {
    const longest = Math.max(0, ...this.#heads.keys())
    return longest > this.size
      ? [
          ...this.#problems,
          `the log has ${this.size} entries, but a stored head covers ${longest}: the end is missing`,
        ]
      : this.#problems
  }

  #problem(text: string): void {
    // One change breaks every later head; the first problem locates it.
    if (this.#problems.length < 3) this.#problems.push(text)
  }
}
