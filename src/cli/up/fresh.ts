/** `kintsugi up --fresh`: shows what the data folder holds, asks, and moves the folder aside. */
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { moveCluster } from '../../adapters/ledger/embedded.ts'
import { readStoppedBooks } from '../../adapters/ledger/stopped-books.ts'
import { files } from '../../processes/run/run-plan.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { type Ask, notConfirmed } from '../confirm.ts'
import { count, fileSize } from '../format.ts'

/** What a data folder holds. */
interface FolderContent {
  /** Null if the database could not be read; `unread` says why. */
  readonly trades: number | null
  readonly auditEntries: number | null
  readonly unread?: string
  /** Files with private keys. */
  readonly keys: number
  readonly bytes: number
}

/** Whether to go on, and whom to ask. */
export interface FreshOptions {
  /** Moves the folder without asking. */
  readonly yes?: boolean
  /** The present time in ms since 1970. */
  readonly now: number
  /** Undefined if there is nobody to ask. */
  readonly ask: Ask | undefined
  /** Receives what will happen, for people. */
  say(text: string): void
}

/** Reads what a data folder holds; starts its database for a moment. */
async function contentOf(dataFolder: string): Promise<FolderContent> {
  const keyFolder = join(dataFolder, 'keys')
  const shared = {
    keys: existsSync(keyFolder) ? readdirSync(keyFolder).length : 0,
    bytes: bytesOf(dataFolder),
  }
  try {
    return { ...(await readStoppedBooks(dataFolder)), ...shared }
  } catch (error) {
    return { trades: null, auditEntries: null, unread: messageOf(error), ...shared }
  }
}

/**
 * Moves the data folder aside after a confirmation. Returns where it is now; undefined if there was none.
 * Throws `not-ours` if it does not look like a data folder, and `not-confirmed`.
 */
export async function moveAside(dataFolder: string, options: FreshOptions): Promise<string | undefined> {
  if (!existsSync(dataFolder) || readdirSync(dataFolder).length === 0) return undefined
  if (!existsSync(files(dataFolder).token))
    throw new KintsugiError(
      'not-ours',
      `--fresh: ${dataFolder} does not look like a kintsugi data folder (it has no file named token)`,
      { hint: 'move it yourself, or name another folder with --data' },
    )
  const target = asidePath(dataFolder, options.now)
  const consequence = `--fresh moves ${dataFolder} to ${target}: ${contentText(await contentOf(dataFolder))}`
  if (!options.yes) await expectName(basename(dataFolder), consequence, options)
  else options.say(consequence)
  renameSync(dataFolder, target)
  moveCluster(dataFolder, target)
  return target
}

/** The name of the folder, typed by a person, is the confirmation. */
async function expectName(name: string, consequence: string, { say, ask }: FreshOptions): Promise<void> {
  if (!ask) throw notConfirmed(consequence)
  say(consequence)
  const answer = await ask(`Type the folder's name (${name}) to go on: `)
  if (answer !== name)
    throw new KintsugiError('not-confirmed', `${JSON.stringify(answer)} is not the folder's name, ${name}`, {
      hint: 'nothing was changed',
    })
}

/** `DIR.old-20261124T140602Z`, with a number if that exists. */
function asidePath(dataFolder: string, now: number): string {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')
  const path = `${dataFolder}.old-${stamp}`
  let candidate = path
  for (let attempt = 2; existsSync(candidate); attempt++) candidate = `${path}-${attempt}`
  return candidate
}

function contentText({ trades, auditEntries, unread, keys, bytes }: FolderContent): string {
  const books =
    trades === null || auditEntries === null
      ? [`an unknown number of trades and audit entries (${unread})`]
      : [count(trades, 'trade'), `${auditEntries.toLocaleString('en')} audit entries`]
  return [...books, count(keys, 'key'), fileSize(bytes)].join(', ')
}

/** The size of a folder in bytes, also of what is behind its links. */
function bytesOf(folder: string): number {
  let bytes = 0
  for (const name of readdirSync(folder)) {
    // A link to nothing, a socket, or a folder of another user.
    try {
      const path = join(folder, name)
      const found = statSync(path)
      bytes += found.isDirectory() ? bytesOf(path) : found.isFile() ? found.size : 0
    } catch {}
  }
  return bytes
}
