/** The signer's process. It reads requests from its inherited socket only. */

import { readFileSync, readSync, statSync } from 'node:fs'
import { Socket } from 'node:net'
import { KEY_VARIABLE, readDotEnv } from '../adapters/dot-env.ts'
import { HaltFile } from '../adapters/halt-file.ts'
import { SIGNER_FD } from '../adapters/signer/process-signer.ts'
import { haltText } from '../ports/halt.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import { SignerJournal } from '../signer/journal.ts'
import { fileAddresses, localKeys, rehearseSigning } from '../signer/keys.ts'
import type { SignerPolicy } from '../signer/policy.ts'
import { answer, type SignerParts, type SignerRequest } from '../signer/signer.ts'
import { messageOf } from '../std/errors.ts'
import { decodeJson, encodeJson } from '../std/json.ts'
import { onLines } from '../std/lines.ts'
import { ignoreOutputErrors } from './run/ignore-output-errors.ts'
import { files, readPlan } from './run/run-plan.ts'

const ETHER = 10n ** 18n
/** Caps of the embedded chain, the only one that is signed for. */
const LOCAL_CAPS = {
  maxGasCost: 200n * ETHER,
  maxGasCostPerWindow: 200_000n * ETHER,
  windowMs: 3_600_000,
  maxDeadlineAhead: 600,
}

ignoreOutputErrors()
const dataFolder = process.env.KINTSUGI_DATA as string
if (process.argv.includes('--accounts')) {
  const { operator, treasury } = openKeys(() => localKeys(dataFolder, givenKey()))
  process.stdout.write(`${JSON.stringify({ operator: operator.address.toLowerCase(), treasury })}\n`)
  process.exit(0)
}
if (process.argv.includes('--addresses')) {
  process.stdout.write(`${JSON.stringify(openKeys(() => fileAddresses(dataFolder)))}\n`)
  process.exit(0)
}

/**
 * Opens keys and journal, with the first request: a signer on standby holds no key, and its predecessor may
 * still write.
 */
function openParts(): SignerParts {
  const keys = openKeys(() => localKeys(dataFolder, givenKey()))
  const journal = new SignerJournal(files(dataFolder).signerJournal, LOCAL_CAPS.windowMs, Date.now())
  return {
    account: keys.operator,
    get identity() {
      return keys.identity
    },
    journal,
    now: Date.now,
    policy: currentPolicy(),
    halted: () => {
      const halt = halts.current()
      return halt && haltText(halt)
    },
  }
}
const halts = new HaltFile(files(dataFolder).halt, Date.now)
let parts: SignerParts | undefined

/** The policy of the current market; read again when its manifest has changed. */
function currentPolicy(): () => SignerPolicy {
  const { manifest: path } = files(dataFolder)
  let [readAt, policy] = [Number.NaN, undefined as SignerPolicy | undefined]
  return () => {
    const { mtimeMs } = statSync(path)
    if (!policy || mtimeMs !== readAt) {
      const { chainId, execution } = JSON.parse(readFileSync(path, 'utf8')) as MarketManifest
      if (!execution) throw new Error('the market has no executor contract: nothing is signed')
      ;[readAt, policy] = [
        mtimeMs,
        { ...LOCAL_CAPS, chainId, account: execution.operator, executor: execution.executor },
      ]
    }
    return policy
  }
}
const socket = new Socket({ fd: SIGNER_FD, readable: true, writable: true })
socket.on('error', () => process.exit(1))
socket.on('close', () => process.exit(0))
onLines(socket, (line) => {
  parts ??= openParts()
  void answer(decodeJson<SignerRequest>(line), parts).then((reply) => socket.write(`${encodeJson(reply)}\n`))
})
/** A signer on standby warms up. */
setImmediate(() => parts ?? void rehearseSigning())
process.on('SIGTERM', () => process.exit(0))
process.on('SIGINT', () => undefined)

/** Opens the keys; ends the process with a one-line reason, without the key, if that fails. */
function openKeys<T>(open: () => T): T {
  try {
    return open()
  } catch (error) {
    console.error(messageOf(error))
    process.exit(1)
  }
}

/** The key from an inherited descriptor, or from the line of `.env` that only this process reads. */
function givenKey(): string | undefined {
  if (process.env.KINTSUGI_KEY_FD) {
    const buffer = Buffer.alloc(128)
    const text = buffer.toString(
      'utf8',
      0,
      readSync(Number(process.env.KINTSUGI_KEY_FD), buffer, 0, buffer.length, 0),
    )
    buffer.fill(0)
    return text
  }
  return readDotEnv(readPlan(dataFolder).envFile, [KEY_VARIABLE])[KEY_VARIABLE]
}
