/** The units of a run: infrastructure and cells, their dependencies, and how their processes are launched. */
import { readFileSync } from 'node:fs'
import { prepareEmbeddedPostgres } from '../../adapters/ledger/embedded.ts'
import { CELL_HEAP_MB, type CellPlan } from '../../fleet/catalogue/profiles.ts'
import type { Dependency, ServiceStatus } from '../../ports/fleet.ts'
import type { PortName } from '../../ports/ports.ts'
import type { Launch } from '../../supervisor/drivers/process-driver.ts'
import type { UnitPlan } from '../../supervisor/options.ts'
import { processCommand } from '../run/command.ts'
import { files, type RunPlan } from '../run/run-plan.ts'
import { SERVICE_NEEDS } from '../services.gen.ts'

/** The units of a run and how to launch them. */
export interface Units {
  readonly plans: readonly UnitPlan[]
  /** How the process of a unit is started; `unit` null: a spare. */
  launchOf(unit: string | null, heapMb?: number): Launch
}

/** The dependencies of a run's units. */
export interface UnitsOptions {
  readonly plan: RunPlan
  /** Whether the keeper holds the signing key. */
  readonly keyHeld: boolean
  /** Resolves when the database answers and its schema is up to date. */
  probeDatabase(): Promise<void>
}

/** The units of a run. Prepares the data folder of the embedded database, if the run has one. */
export function unitsOf({ plan, keyHeld, probeDatabase }: UnitsOptions): Units {
  const infrastructure = infrastructureOf(plan, probeDatabase)
  const launches = new Map(infrastructure.map(({ unit, launch }) => [unit.spec.id, launch]))
  const signing = new Set(keyHeld ? plan.cells.filter(signs).map(({ id }) => id) : [])
  return {
    plans: [
      ...infrastructure.map(({ unit }) => unit),
      ...plan.cells.map((cell) => cellUnit(plan, cell, signing.has(cell.id))),
    ],
    launchOf: (unit, heapMb) =>
      launches.get(unit ?? '') ?? cellLaunch(unit !== null && signing.has(unit), heapMb),
  }
}

interface Infrastructure {
  readonly unit: UnitPlan
  readonly launch: Launch
}

const cellLaunch = (key: boolean, heapMb = CELL_HEAP_MB): Launch => ({
  ...processCommand('cell', [`--max-old-space-size=${heapMb}`]),
  sockets: true,
  key,
  stopSignal: 'SIGTERM',
})

const ownLaunch = (name: 'hub' | 'localnet' | 'discovery'): Launch => ({
  ...processCommand(name),
  sockets: false,
  key: false,
  stopSignal: 'SIGTERM',
})

const infrastructureUnit = (
  id: string,
  title: string,
  { port = null, after = [] }: { port?: number | null; after?: readonly string[] } = {},
): UnitPlan => ({
  spec: { id, kind: 'infrastructure', services: [], after, fromSpare: false },
  title,
  port,
})

function infrastructureOf(plan: RunPlan, probeDatabase: () => Promise<void>): Infrastructure[] {
  const result: Infrastructure[] = []
  if (!plan.external.database) result.push(database(plan, probeDatabase))
  if (!plan.external.redis)
    result.push({ unit: infrastructureUnit('hub', 'Message hub'), launch: ownLaunch('hub') })
  if (plan.mode === 'local')
    result.push({
      unit: infrastructureUnit('localnet', 'Local market', { port: plan.chainPort, after: ['database'] }),
      launch: ownLaunch('localnet'),
    })
  else
    result.push({
      unit: infrastructureUnit('discovery', 'Market discovery'),
      launch: ownLaunch('discovery'),
    })
  return result
}

function database(plan: RunPlan, probe: () => Promise<void>): Infrastructure {
  const { command, args, env, uid, gid } = prepareEmbeddedPostgres({
    dataFolder: plan.dataFolder,
    port: plan.databasePort,
    keep: takesOver(plan),
  })
  return {
    unit: { ...infrastructureUnit('database', 'Embedded PostgreSQL', { port: plan.databasePort }), probe },
    launch: { command, args, env, uid, gid, sockets: false, key: false, stopSignal: 'SIGINT' },
  }
}

/**
 * Whether an earlier supervisor of this run left its state: then the database runs, or restarts with its
 * data.
 */
function takesOver({ dataFolder, startedAt }: RunPlan): boolean {
  try {
    return JSON.parse(readFileSync(files(dataFolder).fleet, 'utf8')).startedAt === startedAt
  } catch {
    return false
  }
}

const needsOf = ({ services }: CellPlan): readonly PortName[] =>
  services.flatMap((id) => SERVICE_NEEDS[id] ?? [])

const signs = (cell: CellPlan): boolean => needsOf(cell).includes('signer')

function cellUnit({ external }: RunPlan, cell: CellPlan, holdsKey: boolean): UnitPlan {
  const needs = needsOf(cell)
  return {
    spec: {
      id: cell.id,
      kind: 'cell',
      services: cell.services,
      after: [...(external.database ? [] : ['database']), ...(external.redis ? [] : ['hub'])],
      follows: needs.includes('market') || needs.includes('chain') ? ['localnet'] : [],
      // The cell that signs inherits the key's descriptor, which no spare may hold.
      fromSpare: !holdsKey,
    },
    title: cell.id,
    port: null,
  }
}

/** The infrastructure behind a port; `chain` is the local chain or the discovery of a real one. */
const INFRASTRUCTURE_OF: Readonly<Partial<Record<PortName, 'database' | 'bus' | 'chain'>>> = {
  ledger: 'database',
  bus: 'bus',
  market: 'chain',
  chain: 'chain',
  loans: 'chain',
}

const NODE = /^node(-\d+)?$/

/** Whether an id is that of a service that this fleet does not run. */
const isExternal = ({ external }: RunPlan, id: string): boolean =>
  (id === 'database' && external.database) || id === 'redis' || NODE.test(id)

/** The dependencies of services and infrastructure. `hardOf`: the ids after which a service's cell starts. */
export function dependenciesOf(
  plan: RunPlan,
  services: readonly ServiceStatus[],
  hardOf: (service: string) => readonly string[],
): Dependency[] {
  const present = new Set(services.map(({ id }) => id))
  const parts = {
    database: ['database'],
    bus: [plan.external.redis ? 'redis' : 'hub'],
    chain: [plan.mode === 'local' ? 'localnet' : 'discovery', ...[...present].filter((id) => NODE.test(id))],
  }
  return services.map(({ id, cell }) => {
    const hard = isExternal(plan, id) ? [] : hardOf(id)
    const behind = (SERVICE_NEEDS[id] ?? []).flatMap((need) => INFRASTRUCTURE_OF[need] ?? [])
    const soft = new Set(behind.flatMap((each) => parts[each]))
    return { id, cell, hard, soft: [...soft].filter((each) => !hard.includes(each) && present.has(each)) }
  })
}
