/** Everything at once: services, chain, accounts and books. */
import * as z from 'zod'
import { finalBlock } from '../engine/chains/finality.ts'
import { termsOf } from '../engine/chains/profiles.ts'
import { tokenAt } from '../engine/market/tokens.ts'
import type { Chain, Head } from '../ports/chain.ts'
import type { FleetControl, FleetStatus, ServiceStatus } from '../ports/fleet.ts'
import type { Halt, TradingHalt } from '../ports/halt.ts'
import type { Ledger, PaperTotals, TradeTotals } from '../ports/ledger.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import { messageOf } from '../std/errors.ts'
import { tradingHalt } from './halt.ts'
import { tradeMetrics } from './trades.ts'
import { toWire, view, type Wire } from './view.ts'

/** A service in the list of all, by its id. */
export const serviceRow = view(
  z.object({
    status: z.string(),
    title: z.string(),
    category: z.string(),
    port: z.int().nullable(),
    pid: z.int().nullable(),
    cell: z.string(),
    restarts: z.int(),
    since: z.number().nullable().describe('ms since 1970; null while it does not run'),
    detail: z.string().optional(),
    home: z.string().optional().describe('the cell that it belongs to, while it is isolated from it'),
  }),
  ({ id: _, kind: __, ...service }: ServiceStatus) => service,
)

const services = z.record(z.string(), serviceRow.schema)

/** What the status is made of; null for what could not be read. */
export interface StatusParts {
  readonly fleet: FleetStatus
  readonly version: string
  readonly market: MarketManifest | undefined
  readonly halt: Halt | undefined
  readonly head: Head | null
  readonly finalized: number | null
  readonly totals: TradeTotals | null
  readonly paper: PaperTotals | null
  readonly thisChain: TradeTotals | null
  /** What could not be read, and why. */
  readonly problems: readonly string[]
}

/** The whole system. */
export const fleetStatus = view(
  z.object({
    profile: z.string(),
    mode: z.string(),
    version: z.string(),
    startedAt: z.number().describe('ms since 1970'),
    readyMs: z.number().nullable().describe('from the start until everything was healthy; null before'),
    healthy: z.boolean(),
    overload: z
      .object({ since: z.number().describe('ms since 1970'), detail: z.string() })
      .nullable()
      .describe(
        'while the machine gives the fleet much less CPU than it wants: load is shed, trading pauses',
      ),
    servers: services,
    agents: services,
    main: services,
    infrastructure: services,
    chain: z
      .object({
        id: z.int(),
        network: z.string(),
        genesis: z.string(),
        block: z.int(),
        finalized: z.int(),
        link: z.string(),
        nativeSymbol: z.string(),
        quoteSymbol: z.string(),
      })
      .nullable(),
    accounts: z.object({ executor: z.string(), operator: z.string(), treasury: z.string() }).nullable(),
    halt: tradingHalt.schema.nullable().describe('the halt of trading; null while trading runs'),
    metrics: tradeMetrics.schema.nullable(),
    alarms: z
      .array(z.object({ kind: z.string(), message: z.string(), since: z.number().describe('ms since 1970') }))
      .describe('what the fleet as a whole does not do although its services may be healthy'),
    problems: z.array(z.string()).describe('what could not be read, and why'),
  }),
  ({ fleet, version, market, halt, head, finalized, totals, paper, thisChain, problems }: StatusParts) => {
    const of = (kind: ServiceStatus['kind']) =>
      Object.fromEntries(
        fleet.services.filter((each) => each.kind === kind).map((each) => [each.id, serviceRow.of(each)]),
      )
    return {
      profile: fleet.profile,
      mode: fleet.mode,
      version,
      startedAt: fleet.startedAt,
      readyMs: fleet.readyMs,
      healthy:
        fleet.services.every(({ status }) => status === 'healthy') &&
        fleet.alarms.length === 0 &&
        problems.length === 0,
      overload: fleet.overload ?? null,
      servers: of('server'),
      agents: of('agent'),
      main: of('main'),
      infrastructure: of('infrastructure'),
      chain: market
        ? {
            id: market.chainId,
            network: market.network,
            genesis: market.genesis,
            block: head?.number ?? 0,
            finalized: finalized ?? 0,
            link: head ? 'connected' : 'disconnected',
            nativeSymbol: market.nativeSymbol,
            quoteSymbol: tokenAt(market, market.numeraire).symbol,
          }
        : null,
      accounts: market?.execution ?? null,
      halt: halt ? tradingHalt.of(halt) : null,
      metrics: totals && tradeMetrics.of(totals, paper, thisChain, market),
      alarms: [...fleet.alarms],
      problems,
    }
  },
)

/** What the status is read from. */
export interface StatusSources {
  readonly fleet: FleetControl
  readonly ledger: Ledger
  readonly chain: Chain
  readonly halt: TradingHalt
  /** The market that is traded now; undefined while there is none. */
  manifest(): MarketManifest | undefined
  readonly version: string
}

/** A ledger or a node that hangs must not hold back the status that says so, in ms. */
const READ_MS = 2_000

async function inTime<T>(reading: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${READ_MS / 1_000} s`)), READ_MS)
  return Promise.race([reading, late.promise]).finally(() => clearTimeout(timer))
}

/**
 * Why an external service cannot be read: all rows that match are out. Undefined if one is not, or none
 * exists; the service is then asked.
 */
function outageOf({ services }: FleetStatus, ids: RegExp): string | undefined {
  const rows = services.filter(({ id, pid }) => ids.test(id) && pid === null)
  const isOut = rows.length > 0 && rows.every(({ status }) => status === 'degraded')
  return isOut ? (rows[0]?.detail ?? 'not available') : undefined
}

/**
 * Reads the status. What cannot be read, or not in time, becomes null, with the reason among `problems`; only
 * the fleet itself must answer.
 */
export async function readStatus({
  fleet,
  ledger,
  chain,
  halt,
  manifest,
  version,
}: StatusSources): Promise<Wire<typeof fleetStatus>> {
  const problems = new Set<string>()
  const state = await fleet.status()
  const outages = { ledger: outageOf(state, /^database$/), chain: outageOf(state, /^node(-\d+)?$/) }
  const attempt = async <T>(source: keyof typeof outages, work: () => Promise<T>): Promise<T | null> => {
    const outage = outages[source]
    const problem =
      outage ??
      (await inTime(work()).then(
        (value) => ({ value }),
        (error) => messageOf(error),
      ))
    if (typeof problem !== 'string') return problem.value
    problems.add(`${source}: ${problem}`)
    return null
  }
  const market = manifest()
  const [totals, paper, thisChain, head, finalized] = await Promise.all([
    attempt('ledger', () => ledger.totals()),
    attempt('ledger', () => ledger.paperTotals()),
    market ? attempt('ledger', () => ledger.totals(market.genesis)) : null,
    attempt('chain', () => chain.block('latest')),
    market
      ? attempt('chain', async () =>
          finalBlock(chain, termsOf(market.chainId).finality, (await chain.block('latest')).number),
        )
      : null,
  ])
  const parts = { version, market, halt: halt.current(), totals, paper, thisChain, head, finalized }
  return toWire(fleetStatus, { fleet: state, ...parts, problems: [...problems] })
}
