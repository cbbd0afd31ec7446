import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type FreshOptions, moveAside } from './fresh.ts'

const NOW = Date.UTC(2026, 10, 24, 14, 6, 2, 345)
let parent: string
let folder: string
let said: string[]
let asked: string[]
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'kintsugi-fresh-'))
  folder = join(parent, 'home')
  mkdirSync(join(folder, 'keys'), { recursive: true })
  writeFileSync(join(folder, 'token'), 'x'.repeat(43))
  for (const name of ['operator.key', 'treasury.key'])
    writeFileSync(join(folder, 'keys', name), 'k'.repeat(66))
  said = []
  asked = []
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

const fresh = (options: Partial<FreshOptions> = {}) =>
  moveAside(folder, { now: NOW, ask: undefined, say: (text) => said.push(text), ...options })
const answering = (answer: string) => async (question: string) => {
  asked.push(question)
  return answer
}

test('on a terminal: the content is shown, the name is asked for, and the folder is moved, not deleted', async () => {
  const target = join(parent, 'home.old-20261124T140602Z')
  expect(await fresh({ ask: answering('home') })).toBe(target)
  expect(said).toEqual([`--fresh moves ${folder} to ${target}: 0 trades, 0 audit entries, 2 keys, 175 B`])
  expect(asked).toEqual(["Type the folder's name (home) to go on: "])
  expect(existsSync(folder)).toBe(false)
  expect(readFileSync(join(target, 'keys', 'operator.key'), 'utf8')).toBe('k'.repeat(66))
})

test.each(['', 'y', 'HOME', 'homes'])('another answer (%j) changes nothing', async (answer) => {
  await expect(fresh({ ask: answering(answer) })).rejects.toMatchObject({ code: 'not-confirmed' })
  expect(readdirSync(parent)).toEqual(['home'])
})

test('without a terminal it is refused unless --yes is given, with what would happen', async () => {
  await expect(fresh()).rejects.toMatchObject({
    code: 'not-confirmed',
    message: expect.stringContaining('2 keys'),
    hint: expect.stringContaining('--yes'),
  })
  expect(readdirSync(parent)).toEqual(['home'])
  expect(basename((await fresh({ yes: true })) as string)).toBe('home.old-20261124T140602Z')
  expect(said).toHaveLength(1)
})

test('an earlier copy of the same second is kept', async () => {
  mkdirSync(join(parent, 'home.old-20261124T140602Z'))
  expect(basename((await fresh({ yes: true })) as string)).toBe('home.old-20261124T140602Z-2')
})

test('a folder that is not ours is left alone; a missing or empty one needs no question', async () => {
  rmSync(join(folder, 'token'))
  await expect(fresh({ yes: true })).rejects.toMatchObject({ code: 'not-ours' })
  rmSync(folder, { recursive: true })
  expect(await fresh()).toBeUndefined()
  mkdirSync(folder)
  expect(await fresh()).toBeUndefined()
})
