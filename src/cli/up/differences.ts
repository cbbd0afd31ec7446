/** Differences between the plan of a running fleet and the one that a start asks for. */
import { addressSettings, type RunPlan } from '../../processes/run/run-plan.ts'

/** The options of `up` that a plan holds, by the way they are written. */
const OPTIONS: Readonly<Record<string, (plan: RunPlan) => unknown>> = {
  '--profile': ({ profile }) => profile,
  '--isolation': ({ isolation }) => isolation,
  '--port-offset': ({ portOffset }) => portOffset,
  '--chain': ({ chain }) => chain,
}

/** Options of the embedded chain: they count only where both plans have one. */
const LOCAL_OPTIONS: Readonly<Record<string, (plan: RunPlan) => unknown>> = {
  '--market': ({ local }) => local.marketFile,
  '--seed': ({ local }) => local.seed,
  '--block-seconds': ({ local }) => local.blockSeconds,
  '--orders': ({ local }) => local.ordersPerBlock,
  '--traders': ({ local }) => (local.traders ? 'on' : 'off'),
  '--competitors': ({ local }) => local.competitors,
}

/** The variables behind the settings of a plan. */
const VARIABLES: Readonly<Record<keyof RunPlan['settings'], string>> = {
  followPending: 'FOLLOW_PENDING',
  excludedTokens: 'EXCLUDED_TOKENS',
  rpcBudget: 'RPC_CALLS_PER_SECOND, RPC_CALLS_PER_DAY',
  logLevel: 'LOG_LEVEL',
  healthCheckIntervalMs: 'HEALTH_CHECK_INTERVAL',
  autoRestart: 'AUTO_RESTART',
  maxConcurrentOperations: 'MAX_CONCURRENT_OPERATIONS',
  requestTimeoutMs: 'REQUEST_TIMEOUT',
  batchSize: 'BATCH_SIZE',
  authRequired: 'AUTH',
  telemetryUrl: 'OTEL_EXPORTER_OTLP_ENDPOINT',
  oauth: 'OAUTH_ISSUER, OAUTH_AUDIENCE, OAUTH_JWKS_URL',
  bindHost: 'BIND_HOST',
}

/** One option that differs; `running` and `wanted` as people write them. */
export interface Difference {
  readonly option: string
  readonly running: string
  readonly wanted: string
}

/** What differs between a running fleet and a wanted one; empty if a start would change nothing. */
export function differencesOf(running: RunPlan, wanted: RunPlan): Difference[] {
  const found: Difference[] = []
  const compare = (option: string, a: unknown, b: unknown) => {
    if (JSON.stringify(a) !== JSON.stringify(b)) found.push({ option, running: shown(a), wanted: shown(b) })
  }
  for (const [option, of] of Object.entries(OPTIONS)) compare(option, of(running), of(wanted))
  if (running.mode === 'local' && wanted.mode === 'local')
    for (const [option, of] of Object.entries(LOCAL_OPTIONS)) compare(option, of(running), of(wanted))
  for (const setting of addressSettings(running, wanted))
    compare(setting, running.addresses[setting], wanted.addresses[setting])
  for (const [key, variable] of Object.entries(VARIABLES) as [keyof RunPlan['settings'], string][])
    compare(variable, running.settings[key], wanted.settings[key])
  return found
}

const shown = (value: unknown): string =>
  value === undefined || value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value)

/** `--chain: local is running, polygon was asked for`. */
export const differenceText = ({ option, running, wanted }: Difference): string =>
  `${option}: ${running} is running, ${wanted} was asked for`
