export { type Bid, type ChainState, type Decision, type GasPolicy, judge, type LenderPolicy, type Policies, type RiskPolicy, type Rule } from './guard.ts'
export { type Leg, legsOf, type Opportunity, withBestLoan } from './opportunity.ts'
export { classify, type Outcome, type PoolEvent } from './outcome.ts'
export { type PoolQuote, priceTokens, quotesOf, type TokenPrice } from './prices.ts'
