/** Search over the pool graph: cycles, their best sizes, exact confirmation. Pure. */
export { type UpperBound, upperBound } from './bound.ts'
export { type Cycle, CycleIndex, type CycleIndexOptions, enumerateCycles, type Hop, logRate, type SizedCycle, sizeCycle, walkCycle } from './cycles.ts'
export { bestInput, type Piece, type PieceReader, pieceReader } from './moebius.ts'
export { type MarketSnapshot, parseSnapshot, type Token } from './snapshot.ts'
