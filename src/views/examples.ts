/** Arguments for examples that have to be looked up on the running system. */
import type { Address, PoolKind } from '../amm/index.ts'
import type { MarketView } from '../ports/market.ts'

/** An address that nothing has. */
export const NOBODY = `0x${'0'.repeat(39)}1` as const

/** A pool of this market, of a kind where it is given, with further arguments. */
export const aPool = <A extends object>(kind?: PoolKind, more?: A) => ({
  shown: { pool: kind ? `<the address of a ${kind} pool>` : '<the address of a pool>', ...more },
  find: ({ market }: { market: MarketView }) => {
    const found = [...market.pools.values()].find((each) => kind === undefined || each.kind === kind)
    return { pool: (found?.address ?? NOBODY) as Address, ...more } as { pool: Address } & A
  },
})
