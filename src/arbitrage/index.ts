export { callSize, type DataFee, dataFeeOf } from './data-fee.ts'
export {
  type DecisionOutcome,
  type DecisionStage,
  outcomeOf,
  outcomeText,
  refusalTexts,
  refusedBy,
  withOutcome,
} from './decision-outcome.ts'
export { bestBid, chanceOf, type Experience, gasExpectation, type Learned, learn } from './expectation.ts'
export { gasOf, gasOfHops, gasOfPlan, TRANSACTION_GAS } from './gas.ts'
export {
  type Bid,
  type ChainState,
  type Decision,
  type GasPolicy,
  judge,
  type LenderPolicy,
  type Policies,
  type RiskPolicy,
  type Rule,
} from './guard.ts'
export {
  type Financed,
  type Followed,
  finance,
  intentCycles,
  type Leg,
  legsIn,
  legsOf,
  type Opportunity,
  type PlannedCycle,
  placeOf,
  planned,
  type Venue,
  withBestLoan,
} from './opportunity.ts'
export { classify, type Outcome, type PoolEvent } from './outcome.ts'
export { type PoolQuote, priceTokens, quotesOf, type TokenPrice } from './prices.ts'
export { readableRule, weiText } from './rule-text.ts'
