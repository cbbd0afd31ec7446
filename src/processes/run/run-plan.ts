/** What one run of the fleet is made of: written by `up`, read by every process of the run. No secrets in it. */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Settings } from '../../adapters/settings.ts'
import type { CellPlan, ProfileName } from '../../fleet/catalogue/profiles.ts'

export interface RunPlan {
  readonly version: string
  readonly dataFolder: string
  /** The `.env` of the folder it was started in; only the signer looks there for the key. */
  readonly envFile: string
  readonly profile: ProfileName
  readonly isolation: 'cell' | 'process'
  readonly portOffset: number
  readonly mode: 'local' | 'paper'
  /** The profile's name; `local` for the embedded chain. */
  readonly chain: string
  readonly startedAt: number
  /** The command line that runs it in the foreground: the fleet ends with it. */
  readonly owner?: { readonly pid: number; readonly startTime: string | null }
  /** Rises with each start on this data folder. */
  readonly lease: number
  readonly cells: readonly CellPlan[]
  /** By service id. */
  readonly ports: Readonly<Record<string, number>>
  readonly chainPort: number
  readonly databasePort: number
  readonly settings: Omit<Settings, 'databaseUrl' | 'redisUrl' | 'amqpUrl' | 'rpcUrls' | 'relayUrls'>
  /** Whether each is given by the environment; the values themselves stay there. */
  readonly external: {
    readonly database: boolean
    readonly redis: boolean
    readonly amqp: boolean
    readonly chain: boolean
    readonly relays: boolean
  }
  readonly local: {
    readonly seed: number
    readonly blockSeconds: number
    readonly marketFile: string | null
    readonly traders: boolean
    readonly competitors: number
    readonly ordersPerBlock: number
  }
}

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
  fleet: join(dataFolder, 'fleet.json'),
  calls: join(dataFolder, 'calls'),
})

/** Socket paths are limited to about 100 bytes: under a deep folder they stand in the temporary folder, named by its hash. */
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

export function readPlan(dataFolder: string): RunPlan {
  return JSON.parse(readFileSync(files(dataFolder).plan, 'utf8')) as RunPlan
}

/** Where the tokens' keys lie: the issuer's own, and those that everyone checks with. */
export function tokenFiles({ dataFolder }: RunPlan) {
  const { tokenKeys, tokenIssuer } = files(dataFolder)
  return { publicPath: tokenKeys, privatePath: tokenIssuer, now: Date.now }
}
