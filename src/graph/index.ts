/** Search over the pool graph: cycles, their best sizes, the joint optimum, routes. Pure. */
export { type UpperBound, upperBound } from './bound.ts'
export { bestInputOfCurves, type HopCurve, hopCurve } from './curves.ts'
export { type Cycle, CycleIndex, type CycleIndexOptions, cyclesOf, type Hop } from './cycles.ts'
export { MarketGraph } from './market-graph.ts'
export { bestInput, type Piece, type PieceReader, pieceReader } from './moebius.ts'
export { type PlanOptions, PoolOverlay, planCycles } from './plan.ts'
export { bestRoute, type Route, type RoutedPath, type RouteOptions } from './route.ts'
export { type Candidate, MarketSearch, type SearchResult } from './search.ts'
export {
  bestInputOf,
  logRate,
  type PoolLookup,
  type SizedCycle,
  sizeCycle,
  trimmed,
  walkCycle,
} from './sizing.ts'
export { type MarketSnapshot, parseSnapshot, type Token } from './snapshot.ts'
