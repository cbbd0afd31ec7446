/** `kintsugi up`: checks, starts the keeper, shows progress, then one line per trade. */
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { rotateServiceKeys } from '../adapters/access/service-keys.ts'
import { foundryBinary, postgresFolder } from '../adapters/binaries.ts'
import { KEY_VARIABLE } from '../adapters/dot-env.ts'
import { askPatiently, askSupervisor, supervisorEvents, untilGone } from '../adapters/fleet/control-client.ts'
import { readSettings, redactUrl, type Settings } from '../adapters/settings.ts'
import { rpcVariable } from '../engine/chains/names.ts'
import { cellsOf, type ProfileName, servicesOf } from '../fleet/catalogue/profiles.ts'
import { parseSnapshot } from '../graph/index.ts'
import type { FleetStatus } from '../ports/fleet.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import type { KeeperMessage } from '../processes/keeper.ts'
import { childEnvironment, processCommand, signerEnvironment } from '../processes/run/command.ts'
import { files, type RunPlan, socketPath } from '../processes/run/run-plan.ts'
import { SERVICE_NEEDS } from '../processes/services.gen.ts'
import { openBus } from '../processes/wiring/bus.ts'
import { errorFromReport, KintsugiError, messageOf } from '../std/errors.ts'
import { toPlain } from '../std/json.ts'
import { packageVersion } from '../std/package-root.ts'
import type { SupervisorEvent } from '../supervisor/options.ts'
import {
  identityOf,
  isAlive,
  type ProcessIdentity,
  processesFor,
  signalTo,
} from '../supervisor/process-identity.ts'
import { color, seconds, units } from './format.ts'

export interface UpOptions {
  profile: ProfileName
  isolation: 'cell' | 'process'
  portOffset: number
  data: string
  fresh?: boolean
  detach?: boolean
  market?: string
  seed: number
  blockSeconds: number
  orders: number
  traders?: 'on' | 'off'
  competitors?: number
  chain?: string
  json?: boolean
}

const LOCAL = 'local'
const CHAIN_PORT = 8545
const DATABASE_PORT = 8_432

export async function up(options: UpOptions): Promise<void> {
  const dataFolder = resolve(options.data)
  const running = await askSupervisor<FleetStatus>(
    socketPath(dataFolder, 'control'),
    { op: 'status' },
    2_000,
  ).catch(() => undefined)
  if (running) {
    const healthy = running.services.filter((service) => service.status === 'healthy').length
    if (options.json)
      console.log(
        JSON.stringify({
          alreadyRunning: true,
          startedAt: running.startedAt,
          healthy,
          services: running.services.length,
        }),
      )
    else
      console.log(
        `A fleet already runs on ${dataFolder} (${healthy} of ${running.services.length} services healthy, since ${new Date(running.startedAt).toLocaleTimeString()}). Nothing was changed.\nSee it with \`npx kintsugi status\`, stop it with \`npx kintsugi down\`.`,
      )
    return
  }
  const settings = readSettings(process.env, process.cwd())
  const plan = makePlan(options, settings, dataFolder)
  checkParts(options, settings, plan)
  endLeftovers(dataFolder)
  if (options.fresh) wipe(dataFolder)
  prepareFolder(plan)
  const keyFd = keyDescriptor()
  if (plan.mode === 'local') makeAccounts(plan, keyFd)
  try {
    await startKeeper(plan, settings, keyFd)
  } catch (error) {
    rmSync(files(dataFolder).plan, { force: true })
    throw error
  }
  await follow(plan, options, settings)
}

function makePlan(options: UpOptions, settings: Settings, dataFolder: string): RunPlan {
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

/** The chain that was asked for; else the one whose nodes are set; else the embedded one. */
function chainOf({ chain }: UpOptions, rpcUrls: Settings['rpcUrls']): string {
  const set = Object.keys(rpcUrls)
  if (chain === undefined && set.length > 1)
    throw new KintsugiError(
      'bad-settings',
      `nodes of several chains are set: ${set.map(rpcVariable).join(', ')}`,
      { hint: `choose one with --chain ${set.join('|')}` },
    )
  const chosen = chain ?? set[0] ?? LOCAL
  if (chosen !== LOCAL && !rpcUrls[chosen])
    throw new KintsugiError('bad-settings', `--chain ${chosen}: no node of it is set`, {
      hint: `set ${rpcVariable(chosen)} to its address (ws:// or wss:// where it has one), or leave --chain out`,
    })
  return chosen
}

/** What would fail later is said now. */
function checkParts(options: UpOptions, settings: Settings, plan: RunPlan): void {
  if (!plan.external.database) postgresFolder()
  if (plan.mode === 'local') foundryBinary('anvil')
  if (settings.amqpUrl)
    throw new KintsugiError(
      'not-built',
      `AMQP_URL is set (${redactUrl(settings.amqpUrl)}), but the RabbitMQ queue is not built yet`,
      {
        hint: 'unset AMQP_URL: tasks then run on PostgreSQL',
      },
    )
  if (!options.market) return
  if (!existsSync(options.market))
    throw new KintsugiError('not-found', `--market: there is no file ${resolve(options.market)}`)
  let json: unknown
  try {
    json = JSON.parse(readFileSync(options.market, 'utf8'))
  } catch (error) {
    throw new KintsugiError(
      'snapshot-invalid',
      `--market: ${options.market} is not JSON: ${messageOf(error)}`,
    )
  }
  const { pools, tokens, leftOut } = parseSnapshot(json)
  if (!options.json)
    console.log(
      `${color.dim('market')}  ${pools.length} pools and ${tokens.length} tokens from ${options.market}${Object.entries(
        leftOut,
      )
        .map(([reason, count]) => `; ${count} left out: ${reason}`)
        .join('')}`,
    )
}

/** What a fleet left that ended all at once: processes that nobody looks after any more. */
function endLeftovers(dataFolder: string): void {
  let written: Record<string, ProcessIdentity> = {}
  try {
    written = JSON.parse(readFileSync(files(dataFolder).fleet, 'utf8')).processes
  } catch {
    // There is none, or it was torn: the processes tell themselves.
  }
  // What was started last may not have been written down.
  const left = [...Object.values(written), ...processesFor(dataFolder)].filter(isAlive)
  if (left.length > 0)
    console.error(
      `${color.yellow('warning')} the last fleet here ended without its keeper; what is left of it is ended now`,
    )
  for (const identity of left) signalTo(identity, 'SIGKILL')
  while (left.some(isAlive)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
}

/** Only what we made ourselves is removed, and only where it looks like a data folder of ours. */
function wipe(dataFolder: string): void {
  if (!existsSync(dataFolder)) return
  if (!existsSync(files(dataFolder).token))
    throw new KintsugiError(
      'not-ours',
      `--fresh: ${dataFolder} does not look like a data folder of kintsugi (it has no file named token)`,
      {
        hint: 'empty it yourself, or name another with --data',
      },
    )
  // Under a closed home the database stands elsewhere, behind a link.
  const cluster = join(dataFolder, 'postgres')
  if (existsSync(cluster) && lstatSync(cluster).isSymbolicLink())
    rmSync(dirname(realpathSync(cluster)), { recursive: true, force: true })
  rmSync(dataFolder, { recursive: true, force: true })
}

function prepareFolder(plan: RunPlan): void {
  const paths = files(plan.dataFolder)
  mkdirSync(plan.dataFolder, { recursive: true, mode: 0o711 })
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 })
  if (!existsSync(paths.token))
    writeFileSync(paths.token, randomBytes(32).toString('base64url'), { mode: 0o600 })
  rotateServiceKeys(paths.serviceKeys)
  const lease = (existsSync(paths.lease) ? Number(readFileSync(paths.lease, 'utf8')) : 0) + 1
  writeFileSync(paths.lease, String(lease), { mode: 0o600 })
  writeFileSync(paths.plan, JSON.stringify({ ...plan, lease }, null, 1), { mode: 0o600 })
}

/** The key, if the environment holds one, on a file that has no name any more: only its descriptor is handed on. */
function keyDescriptor(): number | undefined {
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
    `${color.yellow('warning')} ${KEY_VARIABLE} is in the environment: only the signer reads it, but the shell that started this still has it`,
  )
  return fd
}

/** Addresses of services of the user's may hold passwords: they travel in the environment, wherever they came from, and never in a file. */
function addresses(
  { chain }: RunPlan,
  { databaseUrl, redisUrl, rpcUrls, relayUrls }: Settings,
): Record<string, string> {
  const given = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    RELAY_URLS: relayUrls,
    [rpcVariable(chain)]: rpcUrls[chain],
  }
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

/** The accounts of operator and treasury, told by the signer, the only one that sees the key. */
function makeAccounts(plan: RunPlan, keyFd: number | undefined): void {
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
        hint: 'see ARBITRAGE_PRIVATE_KEY and the folder keys in the data folder',
      },
    )
  writeFileSync(files(plan.dataFolder).accounts, result.stdout, { mode: 0o644 })
}

/** Starts the keeper and resolves when it holds the ports. Throws what it could not do. */
function startKeeper(plan: RunPlan, settings: Settings, keyFd: number | undefined): Promise<void> {
  const log = openSync(join(files(plan.dataFolder).logs, 'keeper.log'), 'a', 0o600)
  const { command, args } = processCommand('keeper')
  const env = childEnvironment({
    ...addresses(plan, settings),
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
        new KintsugiError('keeper-ended', `the keeper ended (${signal ?? `code ${code}`})`, {
          hint: `see ${join(files(plan.dataFolder).logs, 'keeper.log')}`,
        }),
      ),
    )
  })
}

/** Shows what happens until the fleet ends; with `detach` until it is ready. */
function follow(plan: RunPlan, options: UpOptions, settings: Settings): Promise<void> {
  const say = (text: string) => options.json || console.log(text)
  say(
    `${color.bold('kintsugi')} ${plan.version}, profile ${plan.profile}, ${plan.cells.reduce((sum, cell) => sum + cell.services.length, 0)} services in ${plan.cells.length} processes, mode ${plan.mode}`,
  )
  return new Promise((resolveUp, reject) => {
    let stopping = false
    let ready = false
    let following: Promise<() => void> | undefined
    const seen = new Set<string>()
    const end = (error?: Error) => {
      void following?.then((close) => close())
      stream.close()
      if (error) {
        reject(error)
        return
      }
      say(`${color.green('✓')} everything is stopped`)
      resolveUp()
    }
    const stream = supervisorEvents(socketPath(plan.dataFolder, 'control'), {
      onEvent: (message: SupervisorEvent) => {
        if (options.json) console.log(JSON.stringify(message))
        switch (message.type) {
          case 'unit-up':
            if (ready || seen.has(message.unit)) break
            seen.add(message.unit)
            say(
              `  ${color.green('✓')} ${message.title.padEnd(24)} ${color.dim(`after ${seconds(message.afterMs)}`)}`,
            )
            break
          case 'service':
            if (
              !ready &&
              message.service.status === 'healthy' &&
              message.service.kind !== 'infrastructure' &&
              !seen.has(message.service.id)
            ) {
              seen.add(message.service.id)
              say(
                `  ${color.green('✓')} ${message.service.id.padEnd(24)} :${message.service.port} ${color.dim(`after ${seconds(Date.now() - plan.startedAt)}`)}`,
              )
            }
            break
          case 'incident':
            if (!stopping)
              say(
                `${color.yellow('!')} ${message.unit} ${message.kind}: ${message.detail}; ${message.action}`,
              )
            break
          case 'ready':
            // A new supervisor tells the story again.
            if (ready) break
            ready = true
            say(
              `\n${color.green('ready')} after ${seconds(message.afterMs)}: ${message.services} services\n  gateway    http://localhost:${plan.ports.coordination_system}   (MCP: /mcp)\n  dashboard  http://localhost:${plan.ports.dashboard}\n  token      ${files(plan.dataFolder).token}\n`,
            )
            if (options.detach) {
              stream.close()
              resolveUp()
            } else following ??= followTrades(plan, settings, options.json === true)
            break
          case 'stopped':
            void untilGone(socketPath(plan.dataFolder, 'keeper'), 3_000).then(() => end())
        }
      },
      onLost: () =>
        stopping
          ? end()
          : end(
              new KintsugiError('keeper-ended', 'the fleet ended', {
                hint: `see ${join(files(plan.dataFolder).logs, 'supervisor.log')}`,
              }),
            ),
    })
    const stop = () => {
      if (stopping) return
      stopping = true
      say(color.dim('\nstopping...'))
      askPatiently(socketPath(plan.dataFolder, 'control'), { op: 'down' }).catch(() => end())
    }
    if (!options.detach)
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  })
}

/** One line per trade, as it is booked. */
async function followTrades(plan: RunPlan, settings: Settings, json: boolean): Promise<() => void> {
  const bus = await openBus(plan, settings.redisUrl)
  bus.subscribe('trades', (trade, { retained }) => {
    if (retained && trade.bookedAt < plan.startedAt) return
    if (json) {
      console.log(JSON.stringify({ type: 'trade', trade: toPlain(trade) }))
      return
    }
    const { nativeSymbol } = JSON.parse(
      readFileSync(files(plan.dataFolder).manifest, 'utf8'),
    ) as MarketManifest
    const amount = (value: bigint) => `${units(value, trade.decimals)} ${trade.symbol}`
    const worth =
      trade.symbol === `W${nativeSymbol}` || trade.realisedProfit === 0n
        ? ''
        : ` (${Number(trade.profitNative.toPrecision(4))} ${nativeSymbol})`
    const mark =
      trade.outcome === 'reverted' || trade.outcome === 'cancelled'
        ? color.red(trade.outcome)
        : trade.outcome === 'as-predicted'
          ? color.green(trade.outcome)
          : color.yellow(trade.outcome)
    console.log(
      `${color.dim(`block ${trade.block}`)} ${trade.route}  ${trade.lender}  size ${amount(trade.amountIn)}  predicted ${amount(trade.predictedProfit)}  realised ${color.bold(amount(trade.realisedProfit))}${worth}  gas ${units(trade.gasCost, 18)} ${nativeSymbol}  ${mark}  ${color.dim(trade.hash)}`,
    )
  })
  bus.subscribe('paper-trades', (trade, { retained }) => {
    if (retained) return
    if (json) {
      console.log(JSON.stringify({ type: 'paper-trade', trade: toPlain(trade) }))
      return
    }
    const { nativeSymbol } = JSON.parse(
      readFileSync(files(plan.dataFolder).manifest, 'utf8'),
    ) as MarketManifest
    const mark = trade.outcome === 'traded' ? color.green('would have traded') : color.red(trade.outcome)
    console.log(
      `${color.dim(`block ${trade.block} paper`)} ${trade.route}  predicted ${units(trade.predictedProfit, trade.decimals)} ${trade.symbol}  net ${Number((trade.netNative / 1e18).toPrecision(4))} ${nativeSymbol}  ${mark}${trade.reason ? `  ${color.dim(trade.reason)}` : ''}`,
    )
  })
  return () => bus.close()
}
