/** Starting the keeper, and handing over what must not lie in a file: the key and URLs with passwords. */
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, unlinkSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KEY_VARIABLE } from '../../adapters/dot-env.ts'
import type { Settings } from '../../adapters/settings.ts'
import { rpcVariable } from '../../engine/chains/names.ts'
import type { KeeperMessage } from '../../processes/keeper.ts'
import { childEnvironment, processCommand, signerEnvironment } from '../../processes/run/command.ts'
import { files, type RunPlan } from '../../processes/run/run-plan.ts'
import { errorFromReport, KintsugiError } from '../../std/errors.ts'
import { color } from '../format.ts'

/** The key of the environment, if set, in an unlinked file; only its descriptor is passed on. */
export function keyDescriptor(): number | undefined {
  const key = process.env[KEY_VARIABLE]
  if (!key) return undefined
  const path = join(
    existsSync('/dev/shm') ? '/dev/shm' : tmpdir(),
    `.kintsugi-${randomBytes(8).toString('hex')}`,
  )
  const fd = openSync(path, 'wx+', 0o600)
  unlinkSync(path)
  writeSync(fd, key)
  delete process.env[KEY_VARIABLE]
  console.error(
    `${color.yellow('warning')} ${KEY_VARIABLE} is set in the environment; only the signer reads it, but your shell still holds it`,
  )
  return fd
}

/** URLs of external services may contain passwords: they are passed in the environment, never in a file. */
function externalUrls(
  { chain }: RunPlan,
  { databaseUrl, redisUrl, rpcUrls, relayUrls }: Settings,
): Record<string, string> {
  const urls = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    RELAY_URLS: relayUrls,
    [rpcVariable(chain)]: rpcUrls[chain],
  }
  return Object.fromEntries(
    Object.entries(urls).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

/**
 * Writes the addresses of operator and treasury; the signer derives them, since it alone sees the key. Throws
 * `key-invalid`.
 */
export function writeAccounts(plan: RunPlan, keyFd: number | undefined): void {
  const { command, args } = processCommand('signer')
  const result = spawnSync(command, [...args, '--accounts'], {
    env: { ...signerEnvironment(plan.dataFolder), ...(keyFd === undefined ? {} : { KINTSUGI_KEY_FD: '3' }) },
    stdio: ['ignore', 'pipe', 'pipe', ...(keyFd === undefined ? [] : [keyFd])],
    encoding: 'utf8',
    timeout: 20_000,
  })
  if (result.status !== 0)
    throw new KintsugiError(
      'key-invalid',
      (result.stderr || 'the signer could not read its key').trim().split('\n').at(-1) as string,
      {
        hint: 'check ARBITRAGE_PRIVATE_KEY, or the folder `keys` of the data folder',
      },
    )
  writeFileSync(files(plan.dataFolder).accounts, result.stdout, { mode: 0o644 })
}

/**
 * Starts the keeper; resolves when it holds the ports. Rejects with the keeper's error, or `keeper-ended`.
 */
export function startKeeper(plan: RunPlan, settings: Settings, keyFd: number | undefined): Promise<void> {
  const log = openSync(join(files(plan.dataFolder).logs, 'keeper.log'), 'a', 0o600)
  const { command, args } = processCommand('keeper')
  const env = childEnvironment({
    ...externalUrls(plan, settings),
    KINTSUGI_DATA: plan.dataFolder,
    NODE_COMPILE_CACHE: join(plan.dataFolder, 'compile-cache'),
    ...(keyFd === undefined ? {} : { KINTSUGI_KEY_FD: '4' }),
  })
  const keeper = spawn(command, args, {
    env,
    detached: true,
    stdio: ['ignore', log, log, 'ipc', ...(keyFd === undefined ? [] : [keyFd])],
  })
  closeSync(log)
  return new Promise((resolveStart, reject) => {
    keeper.on('message', (message: KeeperMessage) => {
      if (message.type === 'failed') reject(errorFromReport(message.error))
      else {
        keeper.disconnect()
        keeper.unref()
        resolveStart()
      }
    })
    keeper.on('error', reject)
    keeper.on('exit', (code, signal) =>
      reject(
        new KintsugiError('keeper-ended', `the keeper exited (${signal ?? `code ${code}`})`, {
          hint: `see ${join(files(plan.dataFolder).logs, 'keeper.log')}`,
        }),
      ),
    )
  })
}
