/** The run plan of `kintsugi up`, from options and settings, and the checks before a start. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { redactUrl, type Settings } from '../../adapters/settings.ts'
import { rpcVariable } from '../../engine/chains/names.ts'
import { cellsOf, type ProfileName, servicesOf } from '../../fleet/catalogue/profiles.ts'
import { parseSnapshot } from '../../graph/index.ts'
import type { RunPlan } from '../../processes/run/run-plan.ts'
import { SERVICE_NEEDS } from '../../processes/services.gen.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { packageVersion } from '../../std/package-root.ts'
import { identityOf } from '../../supervisor/process-identity.ts'
import { color, count } from '../format.ts'

/** The options of `kintsugi up`, as commander parses them. */
export interface UpOptions {
  profile: ProfileName
  isolation: 'cell' | 'process'
  portOffset: number
  data: string
  fresh?: boolean
  /** Confirms `fresh`. */
  yes?: boolean
  /** Confirms `fresh` although keys own a balance on a real chain. */
  withFunds?: boolean
  detach?: boolean
  market?: string
  seed: number
  blockSeconds: number
  orders: number
  traders?: 'on' | 'off'
  competitors?: number
  chain?: string
  json?: boolean
  verbose?: boolean
}

const LOCAL = 'local'
const CHAIN_PORT = 8_545
const DATABASE_PORT = 8_432

/** The run plan of a start. Throws `bad-settings` when the chain is ambiguous or has no node. */
export function makePlan(options: UpOptions, settings: Settings, dataFolder: string): RunPlan {
  const services = servicesOf(options.profile, Object.keys(SERVICE_NEEDS))
  const { databaseUrl, redisUrl, amqpUrl, rpcUrls, relayUrls, ...plain } = settings
  const chain = chainOf(options, rpcUrls)
  return {
    version: packageVersion(),
    dataFolder,
    envFile: resolve('.env'),
    profile: options.profile,
    isolation: options.isolation,
    portOffset: options.portOffset,
    mode: chain === LOCAL ? 'local' : 'paper',
    chain,
    startedAt: Date.now(),
    ...(options.detach ? {} : { owner: identityOf(process.pid) }),
    lease: 0,
    cells: cellsOf(services, options.isolation),
    ports: Object.fromEntries(services.map((entry) => [entry.id, entry.port + options.portOffset])),
    chainPort: CHAIN_PORT + options.portOffset,
    databasePort: DATABASE_PORT + options.portOffset,
    settings: plain,
    external: {
      database: databaseUrl !== undefined,
      redis: redisUrl !== undefined,
      amqp: amqpUrl !== undefined,
      chain: chain !== LOCAL,
      relays: relayUrls !== undefined,
    },
    addresses: addressesOf({
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      AMQP_URL: amqpUrl,
      RELAY_URLS: relayUrls,
      ...(chain === LOCAL ? {} : { [rpcVariable(chain)]: rpcUrls[chain] }),
    }),
    local: {
      seed: options.seed,
      blockSeconds: options.blockSeconds,
      marketFile: options.market ? resolve(options.market) : null,
      ordersPerBlock: options.orders,
      traders: (options.traders ?? (options.market ? 'off' : 'on')) === 'on',
      competitors: options.competitors ?? (options.market ? 0 : 1),
    },
  }
}

/** The chain named by `--chain`, else the one whose RPC variable is set, else the embedded chain. */
function chainOf({ chain }: UpOptions, rpcUrls: Settings['rpcUrls']): string {
  const set = Object.keys(rpcUrls)
  if (chain === undefined && set.length > 1)
    throw new KintsugiError(
      'bad-settings',
      `RPC URLs of several chains are set: ${set.map(rpcVariable).join(', ')}`,
      { hint: `choose one with --chain ${set.join('|')}` },
    )
  const chosen = chain ?? set[0] ?? LOCAL
  if (chosen !== LOCAL && !rpcUrls[chosen])
    throw new KintsugiError('bad-settings', `--chain ${chosen}: ${rpcVariable(chosen)} is not set`, {
      hint: `set ${rpcVariable(chosen)} to a node's URL (ws:// or wss:// if the node supports it), or omit --chain`,
    })
  return chosen
}

/** Several URLs of one setting are separated by commas. */
const addressesOf = (urls: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(urls).flatMap(([setting, text]) =>
      text === undefined ? [] : [[setting, text.split(',').map(redactUrl).join(',')]],
    ),
  )

/** Checks the file of `--market`. Throws `not-found` or `snapshot-invalid`. */
export function checkMarket(file: string, json: boolean): void {
  if (!existsSync(file)) throw new KintsugiError('not-found', `--market: no such file: ${resolve(file)}`)
  let market: unknown
  try {
    market = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new KintsugiError('snapshot-invalid', `--market: ${file} is not JSON: ${messageOf(error)}`)
  }
  const { pools, tokens, leftOut } = parseSnapshot(market)
  const skipped = Object.entries(leftOut).map(
    ([reason, pools]) => `; ${count(pools, 'pool')} skipped: ${reason}`,
  )
  if (!json)
    console.log(
      `${color.dim('market')}  ${count(pools.length, 'pool')} and ${count(tokens.length, 'token')} from ${file}${skipped.join('')}`,
    )
}
