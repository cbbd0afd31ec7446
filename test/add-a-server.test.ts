/** docs/add-a-server.md, followed to the letter in a copy of the sources: its server and spec are written, its commands run. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CATALOGUE, definitionPath } from '../src/fleet/catalogue/catalogue.ts'

const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs/add-a-server.md'), 'utf8')
const copy = mkdtempSync(join(tmpdir(), 'kintsugi-add-a-server-'))
/** A vitest inside a vitest must not report to the outer one. */
const env = { ...process.env, VITEST: undefined, VITEST_POOL_ID: undefined, VITEST_WORKER_ID: undefined }

/** The code block of the page that is marked so. */
const block = (mark: string): string => {
  const found = new RegExp(`\`\`\`${mark}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1]
  if (found === undefined) throw new Error(`the page has no block ${mark}`)
  return found
}
const entry = CATALOGUE.find(({ id }) => id === /id: '([^']+)'/.exec(block('ts file=server'))?.[1])

beforeAll(() => {
  const folders = ['src', 'test', 'scripts', 'docs', 'contracts']
  for (const name of [...folders, 'package.json', 'tsconfig.json', 'vitest.config.ts'])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  if (!entry) throw new Error('the page defines no server of the catalogue')
  const path = join(copy, definitionPath(entry))
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, block('ts file=server'))
  writeFileSync(path.replace(/\.ts$/, '.test.ts'), block('ts file=spec'))
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

const commands = block('sh')
  .split('\n')
  .map((line) => line.replace(/#.*/, '').trim())
  .filter((line) => line !== '')

test.each(commands)('`%s` succeeds', { timeout: 180_000 }, (line) => {
  const [program = '', ...args] = line.split(/\s+/)
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: copy, env, encoding: 'utf8' })
  expect([status, status === 0 ? '' : `${stdout}\n${stderr}`.slice(-3_000)]).toEqual([0, ''])
  if (line.includes('test:stubs')) expect(stdout).toContain('2 of 2 stubs killed')
  if (line.includes('vitest')) expect(stdout).toContain(entry?.id)
})

test('the page takes at most 120 lines for a server with its spec', () => {
  expect(block('ts file=server').split('\n').length).toBeLessThanOrEqual(60)
  expect(commands).toHaveLength(3)
})
