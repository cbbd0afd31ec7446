/** The market replica of a process. */
import { readFileSync } from 'node:fs'
import { readBatch } from '../../engine/market/pool-reader.ts'
import { MarketReplica } from '../../engine/market/replica.ts'
import type { Chain } from '../../ports/chain.ts'
import type { MarketManifest } from '../../ports/manifest.ts'
import { messageOf } from '../../std/errors.ts'
import { files } from '../run/run-plan.ts'
import { marketReaderCode } from './chain.ts'
import type { Environment } from './environment.ts'

const RETRY_MS = 50

export interface FollowOptions {
  readonly chain: Chain
  readonly signal: AbortSignal
  /** How long a new block is left to processes that trades wait for, in ms. */
  readDelayMs(): number
  /** Called with the reason each time the market cannot be read yet. */
  onWaiting(reason: string): void
}

/** The manifest is written once the market is built or discovered. */
const waitingReason = (error: unknown): string =>
  (error as { code?: string }).code === 'ENOENT' ? 'it is not built yet' : messageOf(error)

/**
 * Reads and follows the market; retries until the chain and the manifest agree. Throws the signal's reason.
 */
export async function followMarket(
  { plan }: Environment,
  { chain, signal, readDelayMs, onWaiting }: FollowOptions,
): Promise<MarketReplica> {
  const readerCode = marketReaderCode()
  for (;;) {
    signal.throwIfAborted()
    try {
      const manifest = JSON.parse(readFileSync(files(plan.dataFolder).manifest, 'utf8')) as MarketManifest
      const replica = new MarketReplica({
        chain,
        manifest,
        readerCode,
        batch: readBatch(plan.settings.batchSize),
        now: Date.now,
        readDelayMs,
      })
      await replica.start()
      return replica
    } catch (error) {
      onWaiting(`the market cannot be read yet: ${waitingReason(error)}`)
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}
