/** Aave's oracle in the small world: dollars per whole token with eight decimals, as tests set them. */
import type { Address } from '../../../src/amm/index.ts'
import type { SmallChain } from './chain.ts'
import { TOKENS } from './market.ts'

const UNIT = 10n ** 8n
/** The selectors of `BASE_CURRENCY_UNIT()` and `getAssetPrice(address)`. */
const [BASE_UNIT, ASSET_PRICE] = ['0x8c89b64f', '0xb3596f07'] as const
const word = (value: bigint) => `0x${value.toString(16).padStart(64, '0')}` as const

export class SmallOracle {
  /** Whole dollars. A token that is missing has no price. */
  readonly dollars = new Map<Address, number>([
    [TOKENS.USDC, 1],
    [TOKENS.WETH, 2_000],
    [TOKENS.WBTC, 30_000],
  ])

  constructor(chain: SmallChain, address: Address) {
    chain.answer(address, BASE_UNIT, () => word(UNIT))
    chain.answer(address, ASSET_PRICE, (data) => {
      const dollars = this.dollars.get(`0x${data.slice(-40)}`) ?? 0
      return word(BigInt(Math.round(dollars * Number(UNIT))))
    })
  }
}
