/** `kintsugi halt` and `resume`: on the data folder itself, so that they work whatever still runs. */
import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { HaltFile } from '../adapters/halt-file.ts'
import type { Halt } from '../ports/halt.ts'
import { files } from '../processes/run/run-plan.ts'
import { KintsugiError } from '../std/errors.ts'
import { confirmed, terminal } from './confirm.ts'
import { color, dateTime } from './format.ts'
import type { DataOptions } from './run.ts'

/** `halted by ada at 2026-11-24 14:06:02: maintenance`. */
export const haltLine = ({ by, at, reason }: Halt): string => `halted by ${by} at ${dateTime(at)}: ${reason}`

/** The halt in force on a data folder; undefined while trading runs. */
export const currentHalt = ({ data }: DataOptions): Halt | undefined =>
  new HaltFile(files(resolve(data)).halt, Date.now).current()

/** Halts trading at once. Throws `not-found` without a data folder. */
export function halt(reason: string | undefined, options: DataOptions): void {
  const halted = haltFile(options).halt(user(), reason ?? 'no reason given')
  console.log(
    options.json
      ? JSON.stringify({ halt: halted })
      : `${color.red('■')} trading is ${haltLine(halted)}\n${color.dim('Nothing is signed or sent until `kintsugi resume`. What was sent before may still be mined, at most until its deadline.')}`,
  )
}

/** Resumes trading after a confirmation. Throws `not-confirmed` without one. */
export async function resume(options: DataOptions & { yes?: boolean }): Promise<void> {
  const file = haltFile(options)
  const halted = file.current()
  if (!halted) {
    console.log(options.json ? JSON.stringify({ halt: null }) : 'trading is not halted')
    return
  }
  const state = `trading is ${haltLine(halted)}`
  if (!options.yes && process.stdin.isTTY) console.error(state)
  if (!options.yes && !(await confirmed(state, 'Resume trading?', terminal()))) return
  file.resume(halted.at)
  console.log(options.json ? JSON.stringify({ ended: halted }) : `${color.green('✓')} trading is resumed`)
}

function haltFile({ data }: DataOptions): HaltFile {
  const folder = resolve(data)
  if (!existsSync(files(folder).token))
    throw new KintsugiError('not-found', `${folder} is no data folder (it has no file named token)`, {
      hint: 'name the data folder with --data',
    })
  return new HaltFile(files(folder).halt, Date.now)
}

/** The user of this machine. */
function user(): string {
  try {
    return `${userInfo().username} (command line)`
  } catch {
    return 'the command line'
  }
}
