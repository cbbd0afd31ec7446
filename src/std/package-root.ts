import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * The folder of this package, from source as well as from the bundle. Throws if no package.json is found
 * above this file.
 */
export function packageRoot(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('package.json of kintsugi not found above the running file')
    folder = parent
  }
  return folder
}

/** The version in package.json. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')).version
}

/**
 * The folder of an installed package, by Node's lookup but regardless of its `exports`; undefined if it is
 * not installed.
 */
export function packageFolder(name: string): string | undefined {
  for (let folder = packageRoot(); ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name)
    if (existsSync(join(path, 'package.json'))) return path
    if (dirname(folder) === folder) return undefined
  }
}
