/** How a process of the fleet is started: the bundle where it is built, the source otherwise; never with the key in its environment. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { KEY_VARIABLE } from '../../adapters/dot-env.ts'
import { packageRoot } from '../../std/package-root.ts'

export type ProcessName = 'keeper' | 'supervisor' | 'cell' | 'hub' | 'localnet' | 'discovery' | 'signer'

/** The file of a process. */
function processFile(name: ProcessName): string {
  const root = packageRoot()
  const bundled = join(root, 'dist', `${name}.js`)
  return existsSync(bundled) ? bundled : join(root, 'src/processes', `${name}.ts`)
}

/** A fleet is many processes: what is short-lived is collected in small steps, by the thread that made it, instead of in 16 MB each by a pool of threads. */
const NODE_OPTIONS = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=1',
  '--no-parallel-scavenge',
]
/** Threads that allocate now and then share what the C library holds ready. */
const ALLOCATOR = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' }

export function processCommand(
  name: ProcessName,
  nodeOptions: readonly string[] = [],
): { command: string; args: string[] } {
  return { command: process.execPath, args: [...NODE_OPTIONS, ...nodeOptions, processFile(name)] }
}

/** The environment of every process of ours: ours, less the key. */
export function childEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { [KEY_VARIABLE]: _, ...env } = process.env
  return { ...env, NODE_ENV: 'production', ...ALLOCATOR, ...extra }
}

/** The signer gets the data folder and nothing else. */
export function signerEnvironment(dataFolder: string): NodeJS.ProcessEnv {
  return {
    ...ALLOCATOR,
    PATH: process.env.PATH,
    KINTSUGI_DATA: dataFolder,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
  }
}
