export { type Bid, type ChainState, type Decision, estimateGas, type GasPolicy, judge, type LenderPolicy, type Policies, type RiskPolicy, type Rule } from './guard.ts'
export { type Leg, legsOf, type Opportunity, withBestLoan } from './opportunity.ts'
export { classify, type Outcome, type PoolEvent } from './outcome.ts'
export { medianPrice, type PoolQuote, priceTokens, quotesOf, type TokenPrice } from './prices.ts'
