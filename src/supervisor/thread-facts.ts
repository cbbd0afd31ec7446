/** The main thread of a process, as Linux shows it in /proc. */
import { readFileSync } from 'node:fs'
import type { ThreadFacts } from '../fleet/healing/waiting.ts'

/** Reads a file as text. Throws if it cannot be read. */
export type ReadText = (path: string) => string

const STATES: Readonly<Record<string, ThreadFacts['state']>> = { R: 'runnable', T: 'stopped', t: 'stopped' }
const NS_PER_MS = 1e6

/**
 * The facts of a process's main thread. Undefined if the process does not exist, or if the platform does not
 * account for waiting: no /proc, or a kernel without CONFIG_SCHED_INFO, whose figures are 0.
 */
export function threadFacts(pid: number, read: ReadText = readText): ThreadFacts | undefined {
  try {
    const stat = read(`/proc/${pid}/stat`)
    const [ran, waited] = read(`/proc/${pid}/schedstat`).split(' ').map(Number)
    if (!ran || waited === undefined) return undefined
    // The name in parentheses may contain any character; the state follows it.
    const state = STATES[stat[stat.lastIndexOf(')') + 2] as string] ?? 'asleep'
    return { state, ranMs: ran / NS_PER_MS, waitedMs: waited / NS_PER_MS }
  } catch {
    return undefined
  }
}

const readText: ReadText = (path) => readFileSync(path, 'utf8')
