/**
 * Processes that are no children of this one: whether they run, and whether a pid still means the same
 * process.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** A process, distinguished from later ones with the same pid. */
export interface ProcessIdentity {
  readonly pid: number
  /** The kernel's start time of the process; null if the platform does not report it. */
  readonly startTime: string | null
}

/**
 * The fields of /proc/PID/stat after the name, which may contain spaces: the state is the first, the start
 * time the 20th.
 */
function stat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** The identity of the process that has this pid now. */
export function identityOf(pid: number): ProcessIdentity {
  return { pid, startTime: stat(pid)?.[19] ?? null }
}

/** Whether the process runs: false if it has exited, is a zombie, or its pid belongs to another process. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  if (process.platform === 'linux') {
    const fields = stat(pid)
    return (
      fields !== undefined &&
      fields[0] !== 'Z' &&
      fields[0] !== 'X' &&
      (startTime === null || fields[19] === startTime)
    )
  }
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Sends a signal to a process, unless its pid belongs to another one now. */
export function signalTo(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return
  try {
    process.kill(identity.pid, signal)
  } catch {
    // The process has exited in between.
  }
}

/**
 * Processes that were started for a data folder, found by their environment; empty if the platform does not
 * show it.
 */
export function processesFor(dataFolder: string): ProcessIdentity[] {
  return fleetProcesses().flatMap(({ pid, folder }) => (folder === dataFolder ? [identityOf(pid)] : []))
}

/** The data folders of the fleets that run on this machine; empty if the platform does not show them. */
export function runningDataFolders(): string[] {
  return [...new Set(fleetProcesses().map(({ folder }) => folder))]
}

const DATA_VARIABLE = 'KINTSUGI_DATA='

/** Other processes that were started for a data folder. */
function fleetProcesses(): { pid: number; folder: string }[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const env = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
        const variable = env.find((each) => each.startsWith(DATA_VARIABLE))
        return variable === undefined
          ? []
          : [{ pid: Number(pid), folder: variable.slice(DATA_VARIABLE.length) }]
      } catch {
        return []
      }
    })
}
