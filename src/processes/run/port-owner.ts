/** Who holds the ports of a fleet: the text of the error, and another fleet on this machine if it is one. */
import { KintsugiError } from '../../std/errors.ts'
import { runningDataFolders } from '../../supervisor/process-identity.ts'
import { type RunPlan, readPlan } from './run-plan.ts'

const MAX_NAMED = 3

/** A port that is not free, and what it is for. */
export interface TakenPort {
  readonly port: number
  readonly name: string
}

/** The ports that a fleet binds on its host, by what they are for. */
export function portsOf({ ports, external, mode, chainPort, databasePort }: RunPlan): TakenPort[] {
  return [
    ...Object.entries(ports).map(([name, port]) => ({ port, name })),
    ...(external.database ? [] : [{ port: databasePort, name: 'embedded PostgreSQL' }]),
    ...(mode === 'local' ? [{ port: chainPort, name: 'embedded chain' }] : []),
  ]
}

/** The data folder of a running fleet that has one of these ports; undefined if none is known. */
export function fleetWithPorts(taken: readonly TakenPort[]): string | undefined {
  const numbers = new Set(taken.map(({ port }) => port))
  return runningDataFolders().find((folder) => {
    try {
      return portsOf(readPlan(folder)).some(({ port }) => numbers.has(port))
    } catch {
      return false
    }
  })
}

/** `29 ports are taken by the Kintsugi fleet on DIR: 8000 (…), 8001 (…), 8010 (…) and 26 more`. */
export function takenText(taken: readonly TakenPort[], fleet: string | undefined): string {
  const named = [...taken]
    .sort((a, b) => a.port - b.port)
    .slice(0, MAX_NAMED)
    .map(({ port, name }) => `${port} (${name})`)
  const more = taken.length - named.length
  return `${taken.length === 1 ? 'a port is' : `${taken.length} ports are`} taken${fleet === undefined ? '' : ` by the Kintsugi fleet on ${fleet}`}: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** What to do about taken ports. */
export const takenAdvice = (fleet: string | undefined): string =>
  fleet === undefined
    ? 'stop the processes that use them (`ss -ltnp` lists them), or move the whole fleet with --port-offset 1000'
    : `stop it with \`npx kintsugi down --data ${fleet}\`, or move this fleet with --port-offset 1000`

/** The error of a start whose ports are taken. */
export function portsTaken(taken: readonly TakenPort[]): KintsugiError {
  const fleet = fleetWithPorts(taken)
  return new KintsugiError('port-taken', takenText(taken, fleet), { hint: takenAdvice(fleet) })
}
