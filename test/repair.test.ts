import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { initialFleet } from '../src/fleet/healing/state.ts'
import { InFlightCalls, takeInFlightCalls } from '../src/supervisor/persistence/in-flight-calls.ts'
import { readStateFile, writeStateFile } from '../src/supervisor/persistence/state-file.ts'
import { Repairs } from '../src/supervisor/repair.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-repair-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a low disk: logs are truncated in place and keep their ends; it is reported once, and once when it is over', () => {
  const logFolder = join(folder, 'logs')
  mkdirSync(logFolder)
  const path = join(logFolder, 'cell.log')
  const fd = openSync(path, 'a')
  for (let line = 0; line < 40_000; line++) writeSync(fd, `{"line":${line},"text":"${'x'.repeat(40)}"}\n`)
  let free = 5e9
  const notes: string[] = []
  const repairs = new Repairs({
    dataFolder: folder,
    logFolder,
    documents: [],
    space: () => ({ free, total: 1e10 }),
    note: (kind, detail, action) => notes.push(`${kind}: ${detail}: ${action}`),
  })
  repairs.check()
  expect(notes).toEqual([])
  free = 1e8
  repairs.check()
  repairs.check()
  expect(notes).toHaveLength(1)
  expect(notes[0]).toMatch(/disk-low: 100 MB free .* logs truncated by 2 MB/)
  expect(statSync(path).size).toBeLessThan(300_000)
  // A process that has the file open continues at its new end.
  writeSync(fd, '{"line":"next"}\n')
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  expect(lines.slice(-2)).toEqual([expect.stringContaining('"line":39999'), '{"line":"next"}'])
  for (const line of lines) JSON.parse(line)
  free = 5e9
  repairs.check()
  expect(notes[1]).toMatch(/disk-recovered/)
})

test('a document that becomes unreadable is restored from its last valid content', () => {
  const path = join(folder, 'run.json')
  writeFileSync(path, '{"good":1}')
  const notes: string[] = []
  const repairs = new Repairs({
    dataFolder: folder,
    logFolder: join(folder, 'none'),
    documents: [path, join(folder, 'never.json')],
    space: () => ({ free: 1e10, total: 1e10 }),
    note: (kind, detail) => notes.push(`${kind}: ${detail}`),
  })
  repairs.check()
  writeFileSync(path, '{"goo')
  repairs.check()
  expect(readFileSync(path, 'utf8')).toBe('{"good":1}')
  rmSync(path)
  repairs.check()
  expect(readFileSync(path, 'utf8')).toBe('{"good":1}')
  expect(notes).toEqual(['file-repaired: run.json was not valid JSON', 'file-repaired: run.json was missing'])
})

test('a state file is read only if it is complete and of the same run', () => {
  const path = join(folder, 'fleet.json')
  const memory = {
    startedAt: 5,
    fleet: initialFleet([], 1),
    processes: {},
    genesis: null,
    readyMs: null,
    managedPids: {},
  }
  writeStateFile(path, memory)
  expect(readStateFile(path, 5)).toEqual(memory)
  expect(readStateFile(path, 6)).toBeUndefined()
  writeFileSync(path, readFileSync(path, 'utf8').slice(0, -9))
  expect(readStateFile(path, 5)).toBeUndefined()
})

test('the calls in flight of a process are read after its end, once', () => {
  const record = new InFlightCalls(folder, 'p1')
  record.begin('a', 'tool_one')
  record.begin('b', 'tool_two')
  record.begin('b', 'tool_three')
  record.end('a')
  expect(takeInFlightCalls(folder, 'p1')).toEqual([{ service: 'b', tool: 'tool_three', count: 2 }])
  expect(takeInFlightCalls(folder, 'p1')).toEqual([])
  expect(takeInFlightCalls(folder, 'never')).toEqual([])
})

test('without a writable folder, calls continue without a record, and storing the state returns false', () => {
  const file = join(folder, 'a-file')
  writeFileSync(file, '')
  const record = new InFlightCalls(join(file, 'calls'), 'p1')
  record.begin('a', 'tool')
  record.end('a')
  record.close()
  expect(takeInFlightCalls(join(file, 'calls'), 'p1')).toEqual([])
  const memory = {
    startedAt: 1,
    fleet: initialFleet([], 1),
    processes: {},
    genesis: null,
    readyMs: null,
    managedPids: {},
  }
  expect(writeStateFile(join(file, 'fleet.json'), memory)).toBe(false)
  expect(writeStateFile(join(folder, 'fleet.json'), memory)).toBe(true)
})
