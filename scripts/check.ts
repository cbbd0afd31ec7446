/** All checks, in order, without changes to files. `npm run fix` fixes what can be fixed automatically. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string) => join(root, 'node_modules/.bin', name)
const steps: [string, string, string[]][] = [
  ['generated files', process.execPath, ['scripts/generate.ts', '--check']],
  ['contracts', process.execPath, ['scripts/contracts.ts', '--check']],
  ['format and lint', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['types', bin('tsc'), ['--noEmit']],
  ['unused code', bin('knip'), []],
  ['build', process.execPath, ['scripts/build.ts']],
  ['tests', bin('vitest'), ['run']],
  ['stubs', process.execPath, ['scripts/stubs.ts']],
]
for (const [name, command, args] of steps) {
  const started = Date.now()
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) {
    console.error(`\n✗ ${name}`)
    process.exit(1)
  }
  console.log(`✓ ${name} (${((Date.now() - started) / 1_000).toFixed(1)} s)`)
}
