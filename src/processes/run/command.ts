/**
 * How the fleet's processes are started: from the bundle if it is built, else from source; never with the key
 * in the environment.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { KEY_VARIABLE } from '../../adapters/dot-env.ts'
import { packageRoot } from '../../std/package-root.ts'

/** The kinds of processes. */
export type ProcessName = 'keeper' | 'supervisor' | 'cell' | 'hub' | 'localnet' | 'discovery' | 'signer'

/** The script of a process. */
function processFile(name: ProcessName): string {
  const root = packageRoot()
  const bundled = join(root, 'dist', `${name}.js`)
  return existsSync(bundled) ? bundled : join(root, 'src/processes', `${name}.ts`)
}

/**
 * A fleet has many processes: each has a small young generation, collected by its own thread, instead of 16
 * MB and a thread pool.
 */
const NODE_OPTIONS = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=1',
  '--no-parallel-scavenge',
]
/** Settings of the C library: one arena for all threads, and freed memory returns to the system. */
const ALLOCATOR = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' }

/** The command line of a process. */
export function processCommand(
  name: ProcessName,
  nodeOptions: readonly string[] = [],
): { command: string; args: string[] } {
  return { command: process.execPath, args: [...NODE_OPTIONS, ...nodeOptions, processFile(name)] }
}

/** The environment of every process but the signer: the present one without the key. */
export function childEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { [KEY_VARIABLE]: _, ...env } = process.env
  return { ...env, NODE_ENV: 'production', ...ALLOCATOR, ...extra }
}

/** The environment of the signer: the data folder, and nothing of the present environment but the path. */
export function signerEnvironment(dataFolder: string): NodeJS.ProcessEnv {
  return {
    ...ALLOCATOR,
    PATH: process.env.PATH,
    KINTSUGI_DATA: dataFolder,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
  }
}
