/**
 * The plan of one run of the fleet: written by `up`, read by every process of the run. It holds no secrets.
 */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Settings } from '../../adapters/settings.ts'
import type { CellPlan, ProfileName } from '../../fleet/catalogue/profiles.ts'

/** The settings, services and ports of a run. */
export interface RunPlan {
  readonly version: string
  readonly dataFolder: string
  /** The `.env` of the folder in which the fleet was started; only the signer reads the key there. */
  readonly envFile: string
  readonly profile: ProfileName
  readonly isolation: 'cell' | 'process'
  readonly portOffset: number
  readonly mode: 'local' | 'paper'
  /** The name of the chain's profile; `local` for the embedded chain. */
  readonly chain: string
  readonly startedAt: number
  /** The command line that runs the fleet in the foreground: the fleet stops with it. */
  readonly owner?: { readonly pid: number; readonly startTime: string | null }
  /** Increases with each start on this data folder. */
  readonly lease: number
  readonly cells: readonly CellPlan[]
  /** By service id. */
  readonly ports: Readonly<Record<string, number>>
  readonly chainPort: number
  readonly databasePort: number
  readonly settings: Omit<Settings, 'databaseUrl' | 'redisUrl' | 'amqpUrl' | 'rpcUrls' | 'relayUrls'>
  /** Whether each is configured by the environment; the values are not in the plan. */
  readonly external: {
    readonly database: boolean
    readonly redis: boolean
    readonly amqp: boolean
    readonly chain: boolean
    readonly relays: boolean
  }
  /** The addresses of external services by their setting, without users, passwords and keys. */
  readonly addresses: Readonly<Record<string, string>>
  readonly local: {
    readonly seed: number
    readonly blockSeconds: number
    readonly marketFile: string | null
    readonly traders: boolean
    readonly competitors: number
    readonly ordersPerBlock: number
  }
}

/** The settings that name an external service in any of the plans. */
export const addressSettings = (...plans: readonly RunPlan[]): string[] => [
  ...new Set(plans.flatMap(({ addresses }) => Object.keys(addresses))),
]

/** The paths of a data folder. */
export const files = (dataFolder: string) => ({
  plan: join(dataFolder, 'run.json'),
  manifest: join(dataFolder, 'chain.json'),
  chainPid: join(dataFolder, 'chain.pid'),
  token: join(dataFolder, 'token'),
  serviceKeys: join(dataFolder, 'service-keys.json'),
  tokenKeys: join(dataFolder, 'token-keys.json'),
  tokenIssuer: join(dataFolder, 'keys', 'tokens.json'),
  logs: join(dataFolder, 'logs'),
  signerJournal: join(dataFolder, 'signer.journal'),
  witnesses: join(dataFolder, 'audit-heads'),
  accounts: join(dataFolder, 'accounts.json'),
  lease: join(dataFolder, 'lease'),
  /** Exists while trading is halted. */
  halt: join(dataFolder, 'HALT'),
  fleet: join(dataFolder, 'fleet.json'),
  calls: join(dataFolder, 'calls'),
})

/**
 * The path of a socket. Socket paths are limited to about 100 bytes: for a long data folder it is in the
 * temporary folder, named by a hash.
 */
export function socketPath(dataFolder: string, name: 'control' | 'hub' | 'keeper' | 'supervisor'): string {
  if (process.platform === 'win32')
    return `\\\\.\\pipe\\kintsugi-${createHash('sha256').update(dataFolder).digest('hex').slice(0, 16)}-${name}`
  const near = join(dataFolder, `${name}.sock`)
  if (Buffer.byteLength(near) < 100) return near
  return join(
    tmpdir(),
    `kintsugi-${createHash('sha256').update(dataFolder).digest('hex').slice(0, 16)}-${name}.sock`,
  )
}

/** Reads the plan of a data folder. Throws if there is none. */
export function readPlan(dataFolder: string): RunPlan {
  return JSON.parse(readFileSync(files(dataFolder).plan, 'utf8')) as RunPlan
}

/** The paths of the keys of access tokens: the private key of the issuer, and the public keys. */
export function tokenFiles({ dataFolder }: RunPlan) {
  const { tokenKeys, tokenIssuer } = files(dataFolder)
  return { publicPath: tokenKeys, privatePath: tokenIssuer, now: Date.now }
}
