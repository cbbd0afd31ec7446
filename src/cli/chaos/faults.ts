/** Injecting one fault into a running fleet, and observing the recovery. */
import { statfsSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { askPatiently } from '../../adapters/fleet/control-client.ts'
import type { ChaosFault } from '../../adapters/fleet/control-protocol.ts'
import type { Scenario, Victim } from '../../fleet/simulation/chaos.ts'
import type { FleetStatus } from '../../ports/fleet.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { color } from '../format.ts'
import { until } from './wait.ts'

const GATEWAY = 'coordination_system'
const RECOVERY_TIMEOUT_MS = 60_000
/** A leak takes minutes to be noticed. */
const LEAK_TIMEOUT_MS = 600_000
/** Only a disk with less free space than this is filled. */
const MAX_BALLAST_BYTES = 2_000_000_000
const BALLAST_CHUNK_BYTES = 64_000_000
const MIN_BALLAST_BYTES = 4_096
const DISK_FULL_MS = 5_000

/** The fault of each scenario kind; `disk` has none, since it concerns no process. */
const FAULTS: Readonly<Partial<Record<Scenario['kind'], ChaosFault>>> = {
  kill: { kind: 'kill' },
  stop: { kind: 'stop' },
  slow: { kind: 'slow', ms: 300, seconds: 5 },
  leak: { kind: 'leak', bytesPerSecond: 5_000_000, seconds: 600 },
  disconnect: { kind: 'disconnect', seconds: 3 },
}

/** The possible victims now: healthy cells and infrastructure, and the processes that keep the fleet. */
export async function victimsOf(
  status: () => Promise<FleetStatus>,
  includeGateway: boolean,
): Promise<Victim[]> {
  const healthy = (await status()).services.filter((service) => service.status === 'healthy')
  const cells = new Set(healthy.filter(({ kind }) => kind !== 'infrastructure').map(({ cell }) => cell))
  const infrastructure = healthy.filter(
    ({ kind, id }) => kind === 'infrastructure' && id !== 'chain' && id !== 'localnet',
  )
  return [
    ...[...cells]
      .filter((id) => includeGateway || id !== GATEWAY)
      .map((id) => ({ id, group: 'cell' as const })),
    ...infrastructure.map(({ id }) => ({ id, group: 'infrastructure' as const })),
    ...['supervisor', 'keeper', 'watcher'].map((id) => ({ id, group: 'keeping' as const })),
  ]
}

/**
 * Injects a fault. Resolves with the ms until the victim was healthy again; undefined if that was not
 * observed.
 */
export async function inject(
  control: string,
  status: () => Promise<FleetStatus>,
  { id, group }: Victim,
  { kind }: Scenario,
): Promise<number | undefined> {
  const fault = FAULTS[kind]
  if (!fault) return undefined
  const ofVictim = async () =>
    (await status()).services.filter((service) => service.cell === id || service.id === id)
  const before = await ofVictim()
    .then(([first]) => first?.pid)
    .catch(() => undefined)
  const at = performance.now()
  try {
    await askPatiently(control, { op: 'inject-fault', service: id, fault })
  } catch (error) {
    // A killed supervisor cannot answer.
    if (group !== 'keeping') console.error(`${color.yellow('warning')} ${id}: ${messageOf(error)}`)
  }
  const replaced = kind === 'kill' || kind === 'stop' || kind === 'leak'
  const recovered = await until(
    async () => {
      const services = await ofVictim()
      if (group === 'keeping') return true
      return (
        services.length > 0 &&
        services.every((service) => service.status === 'healthy' && (!replaced || service.pid !== before))
      )
    },
    kind === 'leak' ? LEAK_TIMEOUT_MS : RECOVERY_TIMEOUT_MS,
  )
  return recovered ? performance.now() - at : undefined
}

/** Fills a small disk completely, for five seconds. Throws `refused` on a large one. */
export function fillDisk(folder: string): void {
  const { bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  if (free > MAX_BALLAST_BYTES)
    throw new KintsugiError(
      'refused',
      `${folder} has ${(free / 1e9).toFixed(1)} GB free; only a disk with less than 2 GB is filled`,
      { hint: 'start the fleet with --data on a small file system, such as a tmpfs' },
    )
  const path = join(folder, 'ballast')
  try {
    for (let size = free; size > MIN_BALLAST_BYTES; size = Math.floor(size / 2)) {
      try {
        writeFileSync(path, Buffer.alloc(Math.min(size, BALLAST_CHUNK_BYTES)), { flag: 'a' })
        if (size > BALLAST_CHUNK_BYTES) size *= 2
      } catch {
        // Does not fit; half of it is tried next.
      }
    }
  } finally {
    setTimeout(() => {
      truncateSync(path, 0)
      unlinkSync(path)
    }, DISK_FULL_MS)
  }
}
