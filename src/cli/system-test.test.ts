import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemTest } from './system-test.ts'

test('on a real chain nothing is called that writes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kintsugi-test-'))
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ dataFolder: folder, mode: 'paper', ports: {} }))
  await expect(systemTest({ data: folder, withWrites: true })).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringContaining('mode is paper'),
  })
  rmSync(folder, { recursive: true })
})
