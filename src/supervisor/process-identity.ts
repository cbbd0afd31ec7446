/** Processes that are not our children: are they there, and are they still who they were? */
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /** The kernel's start time of the process, where it tells: a number that was given to another has another. */
  readonly startTime: string | null
}

/** Fields of /proc/PID/stat after the name, which may hold spaces: state first, start time the 20th. */
function stat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

export function identityOf(pid: number): ProcessIdentity {
  return { pid, startTime: stat(pid)?.[19] ?? null }
}

/** False for what ended, for what only waits to be buried, and for a stranger with the same number. */
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

/** Whether someone stopped it (SIGSTOP), as against a loop that does not end. */
export function isStopped(pid: number): boolean {
  return stat(pid)?.[0] === 'T'
}

/** Sends a signal to the very process that is meant. */
export function signalTo(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return
  try {
    process.kill(identity.pid, signal)
  } catch {
    // Gone in between.
  }
}

/** Processes that were started for a data folder, as their environment tells; none where the platform does not. */
export function processesFor(dataFolder: string): ProcessIdentity[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const env = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
        return env.includes(`KINTSUGI_DATA=${dataFolder}`) ? [identityOf(Number(pid))] : []
      } catch {
        return []
      }
    })
}
