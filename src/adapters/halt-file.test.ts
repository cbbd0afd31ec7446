import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HaltFile } from './halt-file.ts'

let folder: string
let path: string
let now: number
let file: HaltFile
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kintsugi-halt-'))
  path = join(folder, 'HALT')
  now = 1_000
  file = new HaltFile(path, () => now)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a halt is in force for every process until it is resumed; the first one stays', () => {
  expect(file.current()).toBeUndefined()
  const halt = { by: 'ada', at: 1_000, reason: 'maintenance' }
  expect(file.halt('ada', 'maintenance')).toEqual(halt)
  now = 2_000
  expect(file.halt('bob', 'another reason')).toEqual(halt)
  const other = new HaltFile(path, () => now)
  expect(other.current()).toEqual(halt)
  expect(readdirSync(folder)).toEqual(['HALT'])
  expect(other.resume(1_000)).toEqual(halt)
  expect(file.current()).toBeUndefined()
})

test('to resume one must have seen the halt in force', () => {
  expect(() => file.resume(1_000)).toThrow('trading is not halted')
  file.halt('ada', 'maintenance')
  expect(() => file.resume(999)).toThrow('another halt is in force')
  expect(file.current()?.by).toBe('ada')
})

test.each([
  ['', 'no reason given'],
  ['  the exchange is down\n', 'the exchange is down'],
  ['{"by": 5}', '{"by": 5}'],
])('a file made by hand (%j) halts too, and can be resumed', (text, reason) => {
  writeFileSync(path, text)
  const halt = file.current()
  expect(halt).toMatchObject({ by: 'the file HALT', reason })
  file.resume(halt?.at as number)
  expect(file.current()).toBeUndefined()
})

test('a state that cannot be read halts: a folder in its place, and a data folder that is gone', () => {
  mkdirSync(path)
  expect(file.current()).toMatchObject({
    by: 'an unreadable state',
    reason: expect.stringContaining('EISDIR'),
  })
  // A person who resumes removes whatever is there.
  file.resume(0)
  expect(file.current()).toBeUndefined()
  rmSync(folder, { recursive: true })
  expect(file.current()).toMatchObject({
    by: 'an unreadable state',
    reason: expect.stringContaining('ENOENT'),
  })
  expect(() => file.resume(0)).toThrow(/cannot be read/)
})

test('the file holds what a person wants to know', () => {
  file.halt('ada', 'x'.repeat(600))
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ by: 'ada', at: 1_000, reason: 'x'.repeat(500) })
})
