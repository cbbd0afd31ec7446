/** Arguments for examples that have to be looked up on the running system. */
import type { Address, PoolKind } from '../amm/index.ts'
import type { Ledger } from '../ports/ledger.ts'
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

/** The id of no decision. */
export const NO_DECISION = `opp_${'0'.repeat(20)}`

/** The newest decision in the ledger. */
export const aDecision = () => ({
  shown: { id: '<the id of a decision>' },
  find: async ({ ledger }: { ledger: Pick<Ledger, 'decisions'> }) => {
    const [newest] = await ledger.decisions({ limit: 1 })
    return { id: newest?.id ?? NO_DECISION }
  },
})
