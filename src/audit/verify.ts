/** Whether a log is what its heads say: every way of changing it changes a head, and heads were signed by somebody else. Pure. */
import { createHash } from 'node:crypto'
import { append, emptyFrontier, type Frontier, leafHash, rootOf } from './merkle.ts'

export interface SignedHead {
  readonly size: number
  /** Hex. */
  readonly root: string
}

/** What a witness signs of a head, as 32 bytes in hex. */
export const headDigest = ({ size, root }: SignedHead): `0x${string}` =>
  `0x${createHash('sha256').update(`kintsugi audit ${size} ${root}`).digest('hex')}`

export class LogCheck {
  readonly #heads: Map<number, Set<string>>
  readonly #problems: string[] = []
  #frontier: Frontier = emptyFrontier

  /** `heads`: every head that anybody has kept. */
  constructor(heads: readonly SignedHead[]) {
    this.#heads = new Map()
    for (const { size, root } of heads) this.#heads.set(size, (this.#heads.get(size) ?? new Set()).add(root))
  }

  get size(): number {
    return this.#frontier.size
  }

  get root(): string {
    return rootOf(this.#frontier).toString('hex')
  }

  /** Entries in their order. */
  add(entries: readonly { readonly sequence: number; readonly text: string }[]): void {
    for (const { sequence, text } of entries) {
      if (sequence !== this.#frontier.size)
        this.#problem(
          `entry ${this.#frontier.size} is missing, or stands elsewhere: ${sequence} comes instead`,
        )
      this.#frontier = append(this.#frontier, leafHash(text))
      const expected = this.#heads.get(this.#frontier.size)
      if (expected && (expected.size > 1 || !expected.has(this.root)))
        this.#problem(`the first ${this.#frontier.size} entries are not those whose head was kept`)
    }
  }

  /** What is wrong; empty where nothing is. Call it after the last entry. */
  problems(): readonly string[] {
    const longest = Math.max(0, ...this.#heads.keys())
    return longest > this.size
      ? [
          ...this.#problems,
          `${this.size} entries are there, where a head of ${longest} was kept: the end was cut off`,
        ]
      : this.#problems
  }

  #problem(text: string): void {
    // One change shows in every later head: the first says where it is.
    if (this.#problems.length < 3) this.#problems.push(text)
  }
}
