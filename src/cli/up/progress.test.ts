/** What `kintsugi up` does when the fleet ends: on request it succeeds, otherwise it says why. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Settings } from '../../adapters/settings.ts'
import { type RunPlan, socketPath } from '../../processes/run/run-plan.ts'
import type { SupervisorEvent } from '../../supervisor/options.ts'
import type { UpOptions } from './plan.ts'
import { follow } from './progress.ts'

let dataFolder: string
let server: Server
beforeEach(() => {
  dataFolder = mkdtempSync(join(tmpdir(), 'kintsugi-progress-'))
  vi.spyOn(console, 'log').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
  server.close()
  rmSync(dataFolder, { recursive: true, force: true })
})

/** A control socket that sends these events to whoever listens, and then ends. */
function supervisorThatSends(events: readonly SupervisorEvent[]): Promise<void> {
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(events.map((event) => `${JSON.stringify(event)}\n`).join('')))
  })
  return new Promise((resolve) => server.listen(socketPath(dataFolder, 'control'), resolve))
}

const run = () =>
  follow(
    { dataFolder, version: '0', profile: 'complete', mode: 'local', cells: [] } as unknown as RunPlan,
    { json: true } as UpOptions,
    {} as Settings,
  )

test('a fleet that stops on request ends without an error', async () => {
  await supervisorThatSends([{ type: 'stopping', cause: 'requested' }, { type: 'stopped' }])
  await expect(run()).resolves.toBeUndefined()
})

test('a fleet whose keeper and watcher were killed ends with the reason, and with what to do', async () => {
  await supervisorThatSends([{ type: 'stopping', cause: 'keeper-gone' }, { type: 'stopped' }])
  await expect(run()).rejects.toMatchObject({
    code: 'keeper-ended',
    message: expect.stringMatching(/its keeper and its watcher were killed.*stopped all services/),
    hint: expect.stringMatching(/nothing is lost: start the fleet again/),
  })
})
