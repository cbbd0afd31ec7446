export {
  impossible,
  type LenderKind,
  LOAN_GAS,
  type LoanOffer,
  premium,
  premiumFraction,
  type RouteVenues,
  rankOffers,
} from './lenders.ts'
