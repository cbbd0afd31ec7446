/** All ports, by the name that a service lists in `needs`. */
import type { Address } from '../amm/index.ts'
import type { LoanOffer } from '../flash/index.ts'
import type { AccessAdmin } from './access.ts'
import type { AuditLog } from './audit.ts'
import type { Bus } from './bus.ts'
import type { Chain } from './chain.ts'
import type { Connections } from './connections.ts'
import type { FleetControl } from './fleet.ts'
import type { TradingHalt } from './halt.ts'
import type { Ledger } from './ledger.ts'
import type { MarketView } from './market.ts'
import type { MetricsSource } from './metrics.ts'
import type { Records } from './records.ts'
import type { Relay } from './relay.ts'
import type { Signer } from './signer.ts'

/** Flash loans that are available now. */
export interface LoanMarket {
  /** The offers of all lenders for a token, in no order. */
  offers(token: Address): readonly LoanOffer[]
}

/** The ports of a service. */
export interface Ports {
  market: MarketView
  loans: LoanMarket
  chain: Chain
  ledger: Ledger
  bus: Bus
  signer: Signer
  /** Empty if none are configured. */
  relays: readonly Relay[]
  fleet: FleetControl
  metrics: MetricsSource
  /** Administration of access tokens. */
  access: AccessAdmin
  audit: AuditLog
  /** Whether trading is halted. */
  halt: TradingHalt
  records: Records
  /** External MCP servers. */
  connections: Connections
}

/** The name of a port. */
export type PortName = keyof Ports
