/**
 * An append-only log as a Merkle tree (RFC 9162): a root of 32 bytes commits to all entries, and a few hashes
 * prove that an entry is included. Pure.
 */
import { createHash } from 'node:crypto'

/** SHA-256, 32 bytes. */
export type Hash = Buffer

const LEAF = Buffer.from([0])
const NODE = Buffer.from([1])

/** Hash of an entry. */
export const leafHash = (entry: string | Buffer): Hash =>
  createHash('sha256').update(LEAF).update(entry).digest()
const nodeHash = (left: Hash, right: Hash): Hash =>
  createHash('sha256').update(NODE).update(left).update(right).digest()
/** Root of a log without entries. */
export const EMPTY_ROOT: Hash = createHash('sha256').digest()

/** The state needed to append: the roots of the perfect subtrees, largest first. */
export interface Frontier {
  readonly size: number
  readonly peaks: readonly Hash[]
}

/** The frontier of a log without entries. */
export const emptyFrontier: Frontier = { size: 0, peaks: [] }

/** The frontier after appending an entry. */
export function append({ size, peaks }: Frontier, leaf: Hash): Frontier {
  const next = [...peaks]
  let hash = leaf
  // Each trailing 1 bit of the size is a subtree as large as the carried one.
  for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) hash = nodeHash(next.pop() as Hash, hash)
  return { size: size + 1, peaks: [...next, hash] }
}

/** The root of the log. */
export function rootOf({ peaks }: Frontier): Hash {
  const last = peaks.at(-1)
  if (!last) return EMPTY_ROOT
  return peaks.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last)
}

/** The root of a log with these entries. */
export function rootOfLeaves(leaves: readonly Hash[]): Hash {
  return rootOf(leaves.reduce(append, emptyFrontier))
}

/** The largest power of two below n. */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** The hashes that, with an entry's own, give the root. Throws RangeError outside the log. */
export function inclusionProof(leaves: readonly Hash[], index: number): Hash[] {
  if (index < 0 || index >= leaves.length) throw new RangeError(`entry ${index} of ${leaves.length}`)
  if (leaves.length === 1) return []
  const k = split(leaves.length)
  return index < k
    ? [...inclusionProof(leaves.slice(0, k), index), rootOfLeaves(leaves.slice(k))]
    : [...inclusionProof(leaves.slice(k), index - k), rootOfLeaves(leaves.slice(0, k))]
}

/** Whether an entry is the `index`th of a log of `size` with this root (RFC 9162, 2.1.3.2). */
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
