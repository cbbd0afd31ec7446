/** The embedded chain: keeps anvil running, builds the market on each new chain, and lets the crowd trade. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { foundryBinary } from '../adapters/binaries.ts'
import { anvilArguments } from '../adapters/chain/anvil.ts'
import { postgresLedger } from '../adapters/ledger/postgres.ts'
import type { Address } from '../amm/index.ts'
import { parseSnapshot } from '../graph/index.ts'
import { buildMarket } from '../localnet/build.ts'
import { watchChain } from '../localnet/chain-watch.ts'
import { embeddedMarket, snapshotMarket } from '../localnet/market.ts'
import { mineBlocks } from '../localnet/miner.ts'
import { updateOracle } from '../localnet/oracle.ts'
import type { MarketPlan } from '../localnet/plan.ts'
import { rpc } from '../localnet/rpc.ts'
import { Crowd } from '../localnet/traders.ts'
import type { Hex } from '../ports/chain.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'
import { seededRandom } from '../std/random.ts'
import { threadFacts } from '../supervisor/thread-facts.ts'
import { runInfrastructure } from './run/infrastructure-process.ts'
import { files } from './run/run-plan.ts'
import { openDatabase } from './wiring/database.ts'
import { processEnvironment } from './wiring/environment.ts'
import { PortSet } from './wiring/port-set.ts'

const environment = processEnvironment('localnet')
const { plan, log } = environment
const url = `http://127.0.0.1:${plan.chainPort}`
const paths = files(plan.dataFolder)
/** Block numbers left free between two chains, so that no number means two blocks. */
const BLOCK_GAP = 1_000
let anvil: ChildProcess | undefined
let anvilPid: number | undefined
let crowd: Crowd | undefined
let stopMining: () => void = () => undefined
let ports: PortSet | undefined
let stopping = false
let state = 'starting'
let genesis: Hex | null = null

interface BuiltRecord {
  manifest: MarketManifest
  trader: Address
  priceSource: Address
}
/** How long participants of the local market take to react to a block, in ms. */
const REACTION_MS = 20
const builtPath = `${paths.manifest}.local`

/** Writes a temporary file and renames it, so that readers see the old or the new content. */
function writeAtomically(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(value, null, 1), { mode: 0o644 })
  renameSync(`${path}.new`, path)
}

function marketPlan(): MarketPlan {
  if (plan.local.marketFile === null) return embeddedMarket(seededRandom(plan.local.seed))
  return snapshotMarket(parseSnapshot(JSON.parse(readFileSync(plan.local.marketFile, 'utf8'))))
}

async function isAnswering(): Promise<boolean> {
  return rpc(url, 'eth_chainId').then(
    () => true,
    () => false,
  )
}

/** Adopts a chain that outlived the previous process, with its market; undefined without one. */
async function adopt(): Promise<BuiltRecord | undefined> {
  if (!existsSync(paths.chainPid) || !existsSync(builtPath) || !(await isAnswering())) return undefined
  const built = JSON.parse(readFileSync(builtPath, 'utf8')) as BuiltRecord
  const block = await rpc<{ hash: Hex } | null>(
    url,
    'eth_getBlockByNumber',
    `0x${built.manifest.genesisBlock.toString(16)}`,
    false,
  ).catch(() => null)
  if (block?.hash !== built.manifest.genesis) return undefined
  anvilPid = Number(readFileSync(paths.chainPid, 'utf8'))
  log.info({ pid: anvilPid }, 'the running chain was adopted')
  watchAdopted(anvilPid)
  return built
}

/** Polls for the end of an adopted chain, which is no child of this process. */
function watchAdopted(pid: number): void {
  const timer = setInterval(() => {
    try {
      process.kill(pid, 0)
    } catch {
      clearInterval(timer)
      if (!stopping) chainLost('the chain ended')
    }
  }, 100)
}

async function startChain(): Promise<BuiltRecord> {
  killLeftover()
  state = 'starting the chain'
  const ledger = postgresLedger({
    pool: openDatabase(environment, 1),
    batchSize: plan.settings.batchSize,
  })
  const highest = await ledger.highestBlock()
  const firstBlock = highest === 0 ? 1 : highest + BLOCK_GAP
  const child = spawn(foundryBinary('anvil'), anvilArguments({ port: plan.chainPort, firstBlock }), {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  anvil = child
  anvilPid = child.pid
  writeFileSync(paths.chainPid, String(child.pid))
  child.on('exit', (code, signal) => {
    if (!stopping && anvil === child) chainLost(`the chain ended (${signal ?? code})`)
  })
  for (let attempt = 0; !(await isAnswering()); attempt++) {
    if (attempt > 500 || child.exitCode !== null)
      throw new KintsugiError('chain-unreachable', 'anvil did not start within 10 s', { retry: 'later' })
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  state = 'building the market'
  const accounts = JSON.parse(readFileSync(paths.accounts, 'utf8'))
  const built = await buildMarket(url, marketPlan(), accounts)
  await rpc(url, 'evm_mine')
  await ledger.recordChain({
    genesis: built.manifest.genesis,
    chainId: built.manifest.chainId,
    network: built.manifest.network,
    firstBlock,
    seenAt: Date.now(),
  })
  await ledger.close()
  writeAtomically(builtPath, built)
  writeAtomically(paths.manifest, built.manifest)
  log.info(
    { pools: built.manifest.pools.length, tokens: built.manifest.tokens.length },
    'the market is built',
  )
  return built
}

/** Ends the chain of an earlier run that was not adopted, after checking that the process is ours. */
function killLeftover(): void {
  if (!existsSync(paths.chainPid)) return
  const pid = Number(readFileSync(paths.chainPid, 'utf8'))
  rmSync(paths.chainPid, { force: true })
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    if (command[0]?.endsWith('anvil') && command.includes(String(plan.chainPort)))
      process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended, or the platform has no /proc.
  }
}

async function run(): Promise<void> {
  const built = (await adopt()) ?? (await startChain())
  genesis = built.manifest.genesis
  reportChain()
  const pid = anvilPid as number
  watchChain({
    facts: () => threadFacts(pid),
    answers: isAnswering,
    now: () => performance.now(),
    onHung: (reason) => {
      if (stopping || anvilPid !== pid) return
      process.kill(pid, 'SIGKILL')
      chainLost(reason)
    },
  })
  stopMining = mineBlocks(url, plan.local.blockSeconds * 1_000, (error) =>
    log.warn({ error: messageOf(error) }, 'a block was not mined'),
  )
  // Competitors react later, so that they do not load this machine while our services work on the block.
  ports = new PortSet(environment, new AbortController().signal, REACTION_MS)
  const market = await ports.open('market')
  crowd = new Crowd({
    url,
    market,
    trader: built.trader,
    random: seededRandom(plan.local.seed ^ 0x5eed ^ market.head.number),
    blockSeconds: plan.local.blockSeconds,
    ordersPerBlock: plan.local.traders ? plan.local.ordersPerBlock : 0,
    competitors: plan.local.competitors,
    onError: (error) => log.debug({ error: messageOf(error) }, 'an order was refused by the chain'),
  })
  if (plan.local.traders || plan.local.competitors > 0) await crowd.start()
  const running = crowd
  if (plan.local.traders && plan.local.marketFile === null)
    market.subscribe(
      () => void updateOracle(url, built.priceSource, market, running.fairPrices).catch(() => undefined),
    )
  state = 'ready'
}

/** Ends this process with an error: the supervisor restarts it with a new chain. */
function chainLost(reason: string): void {
  log.error({}, reason)
  state = reason
  anvilPid = undefined
  reportChain()
  infrastructure.send({ type: 'failed', service: 'localnet', message: reason })
  setTimeout(() => process.exit(1), 10)
}

const stop = () => {
  if (stopping) return
  stopping = true
  stopMining()
  crowd?.stop()
  if (anvilPid !== undefined) {
    try {
      process.kill(anvilPid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  rmSync(paths.chainPid, { force: true })
  process.exit(0)
}
const reportChain = () =>
  infrastructure.send({
    type: 'chain',
    pid: anvilPid ?? null,
    genesis: anvilPid === undefined ? null : genesis,
  })
const infrastructure = runInfrastructure('localnet', {
  log,
  unready: () => (state === 'ready' ? undefined : state),
  onConnect: () => genesis && reportChain(),
  // The crowd trades on what the replica reads: it slows down with it.
  onOverload: (overloaded) => {
    if (ports) ports.pace.overloaded = overloaded
  },
  stop,
})
run().then(infrastructure.beat, (error) => {
  log.error({ error: messageOf(error) }, 'the local chain could not be set up')
  infrastructure.send({ type: 'failed', service: 'localnet', message: messageOf(error) })
  setTimeout(() => process.exit(1), 10)
})
