/**
 * The preflight: everything outside the fleet is checked before anything starts, in parallel and within
 * seconds. All faults are reported at once; `kintsugi doctor` shows the same findings.
 */
import { existsSync } from 'node:fs'
import { redactUrl, type Settings } from '../../adapters/settings.ts'
import { type Finding, findingText } from '../../adapters/surroundings/finding.ts'
import {
  checkClock,
  checkDisk,
  checkProgram,
  clockDifference,
  unavailablePorts,
} from '../../adapters/surroundings/machine.ts'
import {
  checkChain,
  inspectNode,
  type NamedContract,
  type NodeReport,
} from '../../adapters/surroundings/node-probe.ts'
import { type Probe, ProbeFailure, secondsText } from '../../adapters/surroundings/probe.ts'
import { unknownSettings, unknownSettingWords } from '../../adapters/unknown-settings.ts'
import { rpcVariable } from '../../engine/chains/names.ts'
import type { ChainProfile } from '../../engine/chains/profile.ts'
import { PROFILES } from '../../engine/chains/profiles.ts'
import { fleetWithPorts, portsOf, takenAdvice, takenText } from '../../processes/run/port-owner.ts'
import { files, type RunPlan } from '../../processes/run/run-plan.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'

/** A service that has not answered by then is silent; the whole preflight takes hardly longer. */
const DEADLINE_MS = 2_500
/** A service that answers later than this is slow. */
const SLOW_MS = 1_000
const FORK = 'is it a fresh anvil? Use `anvil --fork-url URL`, or wait until the node is in sync'

/** The findings about everything that a plan needs: external services, then the machine. */
export async function inspect(plan: RunPlan, settings: Settings, now: () => number): Promise<Finding[]> {
  const { databaseUrl, redisUrl, amqpUrl } = settings
  const findings = await Promise.all([
    nodes(plan, settings, now),
    ...(databaseUrl === undefined ? [] : [database(databaseUrl)]),
    ...(redisUrl === undefined ? [] : [redis(redisUrl)]),
    ...(amqpUrl === undefined ? [] : [rabbit(amqpUrl)]),
    ports(plan),
    [
      checkDisk(plan.dataFolder),
      checkClock(now()),
      ...(plan.mode === 'local' ? [checkProgram('anvil')] : []),
      ...(databaseUrl === undefined ? [checkProgram('postgres')] : []),
    ],
  ])
  return findings.flat()
}

/** Misspelt names of settings, as findings. */
export const misspelt = (env: NodeJS.ProcessEnv, folder: string): Finding[] =>
  unknownSettings(env, folder).map((unknown) => ({
    level: 'warning',
    subject: unknown.source,
    value: unknown.name,
    ...unknownSettingWords(unknown),
  }))

/** Throws `bad-surroundings` with a sentence per fault; returns the warnings. */
export function refuseFaults(findings: readonly Finding[]): Finding[] {
  const faults = findings.filter(({ level }) => level === 'fault').map(findingText)
  if (faults.length > 0)
    throw new KintsugiError(
      'bad-surroundings',
      faults.length === 1
        ? (faults[0] as string)
        : `${faults.length} things stand against a start:\n  ${faults.join('\n  ')}`,
      { hint: 'nothing was started; `npx kintsugi doctor` shows all checks' },
    )
  return findings.filter(({ level }) => level === 'warning')
}

async function database(url: string): Promise<Finding[]> {
  const { postgresProbe } = await import('../../adapters/surroundings/postgres-probe.ts')
  return [await asked('DATABASE_URL', url, postgresProbe(url))]
}

async function redis(url: string): Promise<Finding[]> {
  const { redisProbe } = await import('../../adapters/surroundings/redis-probe.ts')
  return [await asked('REDIS_URL', url, redisProbe(url))]
}

async function rabbit(url: string): Promise<Finding[]> {
  const { amqpProbe } = await import('../../adapters/surroundings/amqp-probe.ts')
  const { found, ...finding } = await asked('AMQP_URL', url, amqpProbe(url))
  return [
    {
      ...finding,
      level: 'fault',
      found: `not used, because the RabbitMQ queue is not built yet (${found})`,
      advice: 'unset AMQP_URL to start; tasks are queued in PostgreSQL',
    },
  ]
}

/** Asks once, and says how long a slow service took. */
async function asked(subject: string, url: string, probe: Probe): Promise<Finding> {
  const finding = { subject, value: redactUrl(url) }
  const from = performance.now()
  try {
    const found = await probe.ask(DEADLINE_MS)
    return { ...finding, ...slowness(performance.now() - from, found) }
  } catch (error) {
    return { ...finding, ...fault(error) }
  } finally {
    probe.close()
  }
}

const slowness = (tookMs: number, found: string): Pick<Finding, 'level' | 'found' | 'advice'> =>
  tookMs < SLOW_MS
    ? { level: 'ok', found }
    : {
        level: 'warning',
        found: `${found}, but only after ${secondsText(tookMs)}`,
        advice: 'a slow service delays trades; use one that is closer or less loaded',
      }

const fault = (error: unknown): Pick<Finding, 'level' | 'found' | 'advice'> =>
  error instanceof ProbeFailure
    ? { level: 'fault', found: error.message, advice: error.advice }
    : { level: 'fault', found: messageOf(error) }

/** One finding per node of a real chain, and more for missing contracts and a wrong clock. */
async function nodes(plan: RunPlan, { rpcUrls }: Settings, now: () => number): Promise<Finding[]> {
  const profile = PROFILES.find(({ name }) => name === plan.chain)
  const urls = (rpcUrls[plan.chain] ?? '').split(',').filter((url) => url !== '')
  if (!plan.external.chain || !profile) return []
  const reports = await Promise.all(urls.map((url) => node(url, profile, now)))
  const usable = reports.some((findings) => findings.every(({ level }) => level !== 'fault'))
  // With another node that serves the chain, one that is away for now is no reason not to start.
  return reports.flatMap((findings) =>
    findings.map(({ away, ...finding }) =>
      away && usable ? { ...finding, level: 'warning' as const } : finding,
    ),
  )
}

async function node(
  url: string,
  profile: ChainProfile,
  now: () => number,
): Promise<(Finding & { away?: true })[]> {
  const finding = { subject: rpcVariable(profile.name), value: redactUrl(url) }
  const from = performance.now()
  let report: NodeReport
  try {
    report = await inspectNode(url, contractsOf(profile), DEADLINE_MS)
  } catch (error) {
    return [{ ...finding, ...fault(error), away: true }]
  }
  const tookMs = performance.now() - from
  try {
    checkChain(report.chainId, profile)
  } catch (error) {
    return [{ ...finding, ...fault(error) }]
  }
  const clock = clockDifference(now(), report.head)
  return [
    contractFinding(report, profile) ??
      slowness(tookMs, `chain ${report.chainId} at block ${report.head.number}`),
    ...(clock ? [{ level: 'warning' as const, ...clock }] : []),
  ].map((part) => ({ ...finding, ...part }))
}

/** Without any exchange, or without the contract that reads them, the node is of no use. */
function contractFinding(
  { chainId, missing }: NodeReport,
  { exchanges, multicall }: ChainProfile,
): Pick<Finding, 'level' | 'found' | 'advice'> | undefined {
  const [first] = missing
  if (!first) return undefined
  const gone = new Set(missing.map(({ address }) => address))
  const useless = gone.has(multicall) || exchanges.every((exchange) => gone.has(makerOf(exchange)))
  const more = missing.length > 1 ? ` and at ${missing.length - 1} more addresses of the profile` : ''
  const found = `the node says chain ${chainId}, but there is no contract at ${first.name} ${first.address}${more}`
  return useless
    ? { level: 'fault', found, advice: FORK }
    : { level: 'warning', found, advice: 'their pools and loans are not used' }
}

const makerOf = (exchange: ChainProfile['exchanges'][number]) =>
  'factory' in exchange ? exchange.factory : 'manager' in exchange ? exchange.manager : exchange.vault

/** The contracts that a chain's profile names: lenders first, since every chain has them. */
function contractsOf({ multicall, exchanges, aave }: ChainProfile): NamedContract[] {
  const named = exchanges.map((exchange) => ({
    name: exchange.kind === 'balancer-v2' ? "Balancer's vault" : `the factory of ${exchange.dex}`,
    address: makerOf(exchange),
  }))
  return [
    ...named.sort((a, b) => Number(b.name.startsWith('Balancer')) - Number(a.name.startsWith('Balancer'))),
    ...(aave ? [{ name: "Aave's lending pool", address: aave.pool }] : []),
    { name: 'Multicall', address: multicall },
  ]
}

/** The fleet's ports; those of the fleet that runs on this data folder already are no fault. */
async function ports(plan: RunPlan): Promise<Finding[]> {
  // A chain that outlived an earlier fleet is adopted.
  const adopts = existsSync(files(plan.dataFolder).chainPid)
  const own = portsOf(plan).filter(({ port }) => !(adopts && port === plan.chainPort))
  const wanted = own.map(({ port, name }) => ({
    port,
    name,
    host: name in plan.ports ? plan.settings.bindHost : '127.0.0.1',
  }))
  const numbers = wanted.map(({ port }) => port)
  const finding = { subject: 'ports', value: `${Math.min(...numbers)}-${Math.max(...numbers)}` }
  const taken = await unavailablePorts(wanted)
  if (taken.length === 0) return [{ ...finding, level: 'ok', found: `${wanted.length} ports are free` }]
  const fleet = fleetWithPorts(taken)
  if (fleet === plan.dataFolder)
    return [{ ...finding, level: 'ok', found: 'held by the fleet that runs on this data folder' }]
  return [{ ...finding, level: 'fault', found: takenText(taken, fleet), advice: takenAdvice(fleet) }]
}
