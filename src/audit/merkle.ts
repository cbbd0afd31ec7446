/**
 * An append-only log as a Merkle tree (RFC 9162): a head of 32 bytes stands for everything before it, and a few hashes show that one head
 * goes on from another, or that an entry is in it. Pure.
 */
import { createHash } from 'node:crypto'

export type Hash = Buffer

const LEAF = Buffer.from([0])
const NODE = Buffer.from([1])

export const leafHash = (entry: string | Buffer): Hash =>
  createHash('sha256').update(LEAF).update(entry).digest()
const nodeHash = (left: Hash, right: Hash): Hash =>
  createHash('sha256').update(NODE).update(left).update(right).digest()
export const EMPTY_ROOT: Hash = createHash('sha256').digest()

/** What is needed to go on: the roots of the perfect subtrees, largest first. */
export interface Frontier {
  readonly size: number
  readonly peaks: readonly Hash[]
}

export const emptyFrontier: Frontier = { size: 0, peaks: [] }

/** The log with one entry more. */
export function append({ size, peaks }: Frontier, leaf: Hash): Frontier {
  const next = [...peaks]
  let hash = leaf
  // Each trailing one of the size is a subtree as large as what is carried.
  for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) hash = nodeHash(next.pop() as Hash, hash)
  return { size: size + 1, peaks: [...next, hash] }
}

/** The head. */
export function rootOf({ peaks }: Frontier): Hash {
  const last = peaks.at(-1)
  if (!last) return EMPTY_ROOT
  return peaks.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last)
}

export function rootOfLeaves(leaves: readonly Hash[]): Hash {
  return rootOf(leaves.reduce(append, emptyFrontier))
}

/** The largest power of two below n. */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** The hashes that, with an entry's own, make the head. Throws RangeError outside the log. */
export function inclusionProof(leaves: readonly Hash[], index: number): Hash[] {
  if (index < 0 || index >= leaves.length) throw new RangeError(`entry ${index} of ${leaves.length}`)
  if (leaves.length === 1) return []
  const k = split(leaves.length)
  return index < k
    ? [...inclusionProof(leaves.slice(0, k), index), rootOfLeaves(leaves.slice(k))]
    : [...inclusionProof(leaves.slice(k), index - k), rootOfLeaves(leaves.slice(0, k))]
}

/** Whether an entry is the `index`th of a log of `size` with this head (RFC 9162, 2.1.3.2). */
export function isIncluded(
  leaf: Hash,
  index: number,
  size: number,
  proof: readonly Hash[],
  root: Hash,
): boolean {
  if (index >= size) return false
  let [fn, sn, hash] = [index, size - 1, leaf]
  for (const each of proof) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(each, hash)
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]
    } else hash = nodeHash(hash, each)
    ;[fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]
  }
  return sn === 0 && hash.equals(root)
}
