/** How a process of the fleet is started: the bundle where it is built, the source otherwise; never with the key in its environment. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { KEY_VARIABLE } from '../adapters/dot-env.ts'
import { packageRoot } from '../std/package-root.ts'

export type ProcessName = 'keeper' | 'brain' | 'cell' | 'hub' | 'localnet' | 'discovery' | 'signer'

/** The file of a process. */
function processFile(name: ProcessName): string {
  const root = packageRoot()
  const bundled = join(root, 'dist', `${name}.js`)
  return existsSync(bundled) ? bundled : join(root, 'src/processes', `${name}.ts`)
}

export function processCommand(name: ProcessName, nodeOptions: readonly string[] = []): { command: string; args: string[] } {
  return { command: process.execPath, args: ['--disable-warning=ExperimentalWarning', ...nodeOptions, processFile(name)] }
}

/** The environment of every process of ours: ours, less the key. */
export function childEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { [KEY_VARIABLE]: _, ...env } = process.env
  return { ...env, NODE_ENV: 'production', ...extra }
}

/** The signer gets the data folder and nothing else. */
export function signerEnvironment(dataFolder: string): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, KINTSUGI_DATA: dataFolder, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE }
}
