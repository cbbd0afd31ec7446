/** Memory of a fleet's processes, as proportional set size: shared pages counted once. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** A process of a fleet. */
export interface ProcessMemory {
  readonly pid: number
  /** The name of its program or script. */
  readonly program: string
  readonly bytes: number
}

/** The processes that name the data folder in their environment or command line, and PostgreSQL's children. */
export function fleetMemory(dataFolder: string): ProcessMemory[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (!isOurs(pid, dataFolder)) return []
        const kilobytes = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
        return [{ pid: Number(pid), program: programOf(pid), bytes: Number(kilobytes ?? 0) * 1_024 }]
      } catch {
        // The process has ended.
        return []
      }
    })
}

/** PostgreSQL's children rewrite their command line and do not inherit our environment. */
function isOurs(pid: string, dataFolder: string): boolean {
  if (readFileSync(`/proc/${pid}/environ`, 'utf8').includes(dataFolder)) return true
  if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dataFolder)) return true
  const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return (
    parent !== undefined &&
    parent !== '0' &&
    readFileSync(`/proc/${parent}/cmdline`, 'utf8').includes(`${dataFolder}/postgres`)
  )
}

function programOf(pid: string): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  const script = words.find((word) => /\.(m?js|ts)$/.test(word))
  if (words[0]?.startsWith('postgres') || words[0]?.endsWith('/postgres')) return 'postgres'
  return basename(script ?? words[0] ?? '').replace(/\.\w+$/, '')
}
