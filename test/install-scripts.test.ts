/** Every package with an install script is reviewed in package.json, since npm 12 blocks what is not listed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const read = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, '..', name), 'utf8'))

test('allowScripts names exactly the packages with an install script', () => {
  const packages = Object.entries(
    read('package-lock.json').packages as Record<string, { hasInstallScript?: true }>,
  )
  const withScript = packages.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path)
  expect(withScript.length).toBeGreaterThan(0)
  expect(Object.keys(read('package.json').allowScripts).sort()).toEqual(
    withScript.map((path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)).sort(),
  )
})
