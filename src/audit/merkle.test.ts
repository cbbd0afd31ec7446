import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  append,
  EMPTY_ROOT,
  emptyFrontier,
  inclusionProof,
  isIncluded,
  leafHash,
  rootOf,
  rootOfLeaves,
} from './merkle.ts'

/** The heads of Certificate Transparency's own test tree (RFC 6962's reference data). */
const ENTRIES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const HEADS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

test('heads equal the reference data of RFC 6962', () => {
  expect(EMPTY_ROOT.toString('hex')).toBe(createHash('sha256').digest('hex'))
  let frontier = emptyFrontier
  for (const [index, entry] of ENTRIES.entries()) {
    frontier = append(frontier, leafHash(Buffer.from(entry, 'hex')))
    expect(rootOf(frontier).toString('hex')).toBe(HEADS[index])
  }
})

test('every entry is shown to be in its log, and nothing else is', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), (size, at, flip) => {
      const leaves = Array.from({ length: size }, (_, index) => leafHash(`entry ${index}`))
      const root = rootOfLeaves(leaves)
      const index = at % size
      const proof = inclusionProof(leaves, index)
      expect(isIncluded(leaves[index] as Buffer, index, size, proof, root)).toBe(true)
      expect(isIncluded(leafHash('another'), index, size, proof, root)).toBe(false)
      expect(isIncluded(leaves[index] as Buffer, (index + 1) % (size + 1), size, proof, root)).toBe(false)
      const changed = leaves.map((leaf, each) => (each === flip % size ? leafHash('changed') : leaf))
      expect(rootOfLeaves(changed).equals(root)).toBe(false)
      expect(rootOfLeaves(leaves.slice(1)).equals(root)).toBe(false)
      if (size > 1)
        expect(
          rootOfLeaves([leaves[1] as Buffer, leaves[0] as Buffer, ...leaves.slice(2)]).equals(root),
        ).toBe(false)
    }),
  )
})
