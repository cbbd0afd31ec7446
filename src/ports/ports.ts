/** Every port a service may need, by the name it is asked for in `needs`. */

import type { Address } from '../amm/index.ts'
import type { LoanOffer } from '../flash/index.ts'
import type { AccessAdmin } from './access.ts'
import type { AuditLog } from './audit.ts'
import type { Bus } from './bus.ts'
import type { Chain } from './chain.ts'
import type { Connections } from './connections.ts'
import type { FleetControl } from './fleet.ts'
import type { Ledger } from './ledger.ts'
import type { MarketView } from './market.ts'
import type { MetricsSource } from './metrics.ts'
import type { Records } from './records.ts'
import type { Relay } from './relay.ts'
import type { Signer } from './signer.ts'

/** Loans to be had now. */
export interface LoanMarket {
  offers(token: Address): readonly LoanOffer[]
}

export interface Ports {
  market: MarketView
  loans: LoanMarket
  chain: Chain
  ledger: Ledger
  bus: Bus
  signer: Signer
  /** None where none are configured. */
  relays: readonly Relay[]
  fleet: FleetControl
  metrics: MetricsSource
  /** Whom tokens are given to. */
  access: AccessAdmin
  audit: AuditLog
  records: Records
  /** Other people's servers. */
  connections: Connections
}

export type PortName = keyof Ports
