/**
 * `kintsugi market record|replay`: records the market of a running fleet, and evaluates the strategy on a
 * recording.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { JsonRpcChain } from '../adapters/chain/json-rpc.ts'
import { rpcVariable } from '../engine/chains/names.ts'
import { readBatch } from '../engine/market/pool-reader.ts'
import { MarketReplica } from '../engine/market/replica.ts'
import { tokenAt } from '../engine/market/tokens.ts'
import { type RecordedBlock, type RecordingHead, readRecording, record } from '../engine/paper/recording.ts'
import { Replay, type ReplayReport } from '../engine/paper/replay.ts'
import { standingPolicies } from '../engine/trading/policies.ts'
import { own } from '../localnet/artifacts.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import { files } from '../processes/run/run-plan.ts'
import { KintsugiError } from '../std/errors.ts'
import { color, count, short, table } from './format.ts'
import { replayPage } from './replay-page.ts'
import { type DataOptions, runningPlan } from './run.ts'

export interface RecordOptions extends DataOptions {
  blocks: number
}

/**
 * Writes every block's changes to `file` until `blocks` are recorded or Ctrl-C. Throws `file-exists` or
 * `bad-settings`.
 */
export async function recordMarket(file: string, options: RecordOptions): Promise<void> {
  if (existsSync(file))
    throw new KintsugiError('file-exists', `${file} already exists`, {
      hint: 'recordings are never overwritten; choose another file',
    })
  const plan = runningPlan(options)
  const manifest = JSON.parse(readFileSync(files(plan.dataFolder).manifest, 'utf8')) as MarketManifest
  const variable = rpcVariable(plan.chain)
  const external = process.env[variable]
  if (plan.external.chain && !external)
    throw new KintsugiError('bad-settings', `${variable} is not set, but the fleet uses it`, {
      hint: `set ${variable} to the value the fleet was started with`,
    })
  const chain = new JsonRpcChain({
    url:
      plan.external.chain && external
        ? (external.split(',')[0] as string).trim()
        : `ws://127.0.0.1:${plan.chainPort}`,
  })
  const market = new MarketReplica({
    chain,
    manifest,
    readerCode: own('MarketReader').deployedBytecode,
    batch: readBatch(plan.settings.batchSize),
    now: Date.now,
  })
  try {
    await market.start()
    writeFileSync(file, '', { flag: 'wx' })
    let recordedBlocks = 0
    await new Promise<void>((resolve, reject) => {
      process.once('SIGINT', () => resolve())
      record(
        market,
        chain,
        (line) => appendFileSync(file, `${line}\n`),
        (recorded) => {
          recordedBlocks++
          if (!options.json && process.stderr.isTTY)
            process.stderr.write(
              `\rblock ${recorded.head.number}: ${recorded.pools.length} pools changed, ${recordedBlocks} of ${options.blocks} blocks recorded`,
            )
          if (recordedBlocks >= options.blocks) resolve()
        },
      ).catch(reject)
    })
    console.log(
      options.json
        ? JSON.stringify({ file, blocks: recordedBlocks })
        : `\n${recordedBlocks} blocks recorded in ${file}`,
    )
  } finally {
    market.stop()
    chain.close()
  }
}

export interface ReplayCommandOptions {
  position: 'first' | 'last'
  report?: string
  json?: boolean
}

/** Evaluates the strategy on a recording. Throws `recording-invalid`. */
export async function replayMarket(
  file: string,
  { position, report: page, json }: ReplayCommandOptions,
): Promise<void> {
  let replay: Replay | undefined
  let manifest: MarketManifest | undefined
  for await (const entry of readRecording(file)) {
    if (!replay) {
      manifest = (entry as RecordingHead).manifest
      replay = new Replay(entry as RecordingHead, {
        policies: standingPolicies((entry as RecordingHead).manifest.chainId),
        position,
      })
    } else replay.add(entry as RecordedBlock)
  }
  if (!replay || !manifest)
    throw new KintsugiError('recording-invalid', `${file}: the file is empty`, {
      hint: '`npx kintsugi market record` writes recordings',
    })
  const report = replay.report()
  if (page !== undefined) writeFileSync(page, replayPage(report, manifest, position))
  console.log(json ? JSON.stringify(report) : summary(report, manifest, position, page))
}

function summary(
  report: ReplayReport,
  manifest: MarketManifest,
  position: string,
  page: string | undefined,
): string {
  const coin = (wei: number) => `${short(wei / 1e18)} ${manifest.nativeSymbol}`
  const quote = tokenAt(manifest, manifest.numeraire).symbol
  return [
    `blocks ${report.fromBlock} to ${report.toBlock}, ${report.gaps.length} opportunities, filled ${position} in the next block`,
    table([
      ['net of gas', color.green(coin(report.net))],
      ['trades', String(report.traded)],
      ['largest drawdown', coin(report.largestDrawdown)],
      ...Object.entries(report.byOutcome).map(([outcome, { gaps, promised, net }]) => [
        outcome,
        `${gaps} opportunities, predicted ${coin(promised)}, net ${coin(net)}`,
      ]),
    ]),
    ...Object.entries(report.missedBecause).map(
      ([reason, predicted]) => `  missed ${coin(predicted)}: ${reason}`,
    ),
    ...report.winners
      .slice(0, 5)
      .map(
        ({ account, cycles, value, ours }) =>
          `  ${account}${ours ? ' (ours)' : ''} closed ${count(cycles, 'cycle')} for ${short(value)} ${quote}`,
      ),
    ...(page === undefined ? [] : [`report: ${page}`]),
  ].join('\n')
}
