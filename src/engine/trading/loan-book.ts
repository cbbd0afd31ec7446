/**
 * Available loans: Aave's and Balancer's as last read from the chain, the exchanges' own pools from the
 * replica.
 */
import type { Address } from '../../amm/index.ts'
import type { LoanOffer } from '../../flash/index.ts'
import type { Chain } from '../../ports/chain.ts'
import type { MarketView } from '../../ports/market.ts'
import type { LoanMarket } from '../../ports/ports.ts'
import { poolOffers, readOwnCapital, readProtocolLenders, type TokenLoanOffers } from './loan-reader.ts'

/**
 * The read waits until the block's own work is done: offers change slowly, and the contract checks them in
 * the end.
 */
const QUIET_MS = 400
/** Maximum number of tokens whose lenders are read. */
const MAX_TOKENS = 500

export class LoanBook implements LoanMarket {
  readonly #chain: Chain
  readonly #market: MarketView
  readonly #tokens: readonly Address[]
  #lenders: TokenLoanOffers = { block: 0, byToken: new Map() }
  #capital: readonly LoanOffer[] = []
  #timer: NodeJS.Timeout | undefined
  #stop: (() => void) | undefined

  constructor(chain: Chain, market: MarketView) {
    this.#chain = chain
    this.#market = market
    this.#tokens = market.manifest.tokens.slice(0, MAX_TOKENS).map((token) => token.address)
  }

  /** Reads once, then after each block. Throws what the chain throws. */
  async start(): Promise<void> {
    await this.#read()
    this.#stop = this.#market.subscribe(() => {
      clearTimeout(this.#timer)
      // The last offers stay in force until the next read succeeds.
      this.#timer = setTimeout(() => void this.#read().catch(() => undefined), QUIET_MS)
    })
  }

  stop(): void {
    this.#stop?.()
    clearTimeout(this.#timer)
  }

  offers(token: Address): readonly LoanOffer[] {
    return [
      ...this.#capital.filter((offer) => offer.token === token),
      ...(this.#lenders.byToken.get(token) ?? []),
      ...poolOffers(token, this.#market.pools.values()),
    ]
  }

  async #read(): Promise<void> {
    const { manifest, head } = this.#market
    const [lenders, capital] = await Promise.all([
      readProtocolLenders(this.#chain, manifest, this.#tokens, head.number),
      readOwnCapital(this.#chain, manifest, this.#tokens, head.number),
    ])
    this.#capital = capital
    this.#lenders = lenders
  }
}
