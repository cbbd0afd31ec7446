/** Discovers the market of a real chain and writes its manifest; retries until it succeeds. */

import { renameSync, writeFileSync } from 'node:fs'
import type { Address } from '../amm/index.ts'
import { PROFILES } from '../engine/chains/profiles.ts'
import { discoverMarket } from '../engine/market/discovery.ts'
import { readBatch } from '../engine/market/pool-reader.ts'
import { backoffDelay } from '../std/backoff.ts'
import { messageOf } from '../std/errors.ts'
import { runInfrastructure } from './run/infrastructure-process.ts'
import { files } from './run/run-plan.ts'
import { executorCode, marketReaderCode } from './wiring/chain.ts'
import { processEnvironment } from './wiring/environment.ts'
import { PortSet } from './wiring/port-set.ts'

const environment = processEnvironment('discovery')
const { plan, log } = environment
let state = 'discovering pools'
const RETRY = { firstMs: 500, maxMs: 4_000 }
const REPEAT_MS = 6 * 3_600_000

const { beat } = runInfrastructure('discovery', {
  log,
  patient: true,
  unready: () => (state === 'ready' ? undefined : state),
  stop: () => process.exit(0),
})

/**
 * Writes the manifest. Replicas find later pools by themselves; repeating it shortens the start of later
 * processes.
 */
async function discover(onProgress: (text: string) => void): Promise<void> {
  const manifest = await discoverMarket({
    chain,
    readerCode: marketReaderCode(),
    executorCode: executorCode(),
    excluded: plan.settings.excludedTokens as Address[],
    batch: readBatch(plan.settings.batchSize),
    ...(profile ? { profile } : {}),
    onProgress: (text) => {
      log.info({}, text)
      onProgress(text)
    },
  })
  const { manifest: path } = files(plan.dataFolder)
  writeFileSync(`${path}.new`, JSON.stringify(manifest, null, 1))
  renameSync(`${path}.new`, path)
  log.info({ network: manifest.network, pools: manifest.pools.length }, 'market discovered')
}

const profile = PROFILES.find(({ name }) => name === plan.chain)
const chain = await new PortSet(environment, new AbortController().signal).open('chain')
for (let attempt = 1; state !== 'ready'; attempt++) {
  try {
    await discover((text) => {
      state = text
      beat()
    })
    state = 'ready'
  } catch (error) {
    state = messageOf(error)
    log.warn({ error: state }, 'the market could not be discovered; retrying')
    await new Promise((resolve) => setTimeout(resolve, backoffDelay(attempt, RETRY, Math.random)))
  }
  beat()
}
setInterval(() => {
  discover(() => undefined).catch((error) =>
    log.warn({ error: messageOf(error) }, 'the market could not be discovered again'),
  )
}, REPEAT_MS)
