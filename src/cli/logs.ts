/** `kintsugi logs`: the files of the processes, merged by time, followed where asked. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync, watch } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { files, readPlan } from '../processes/run/run-plan.ts'
import { KintsugiError } from '../std/errors.ts'
import { color } from './format.ts'
import type { DataOptions } from './run.ts'

const TAIL_BYTES = 256 * 1024
const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: color.yellow('warn'),
  50: color.red('error'),
  60: color.red('fatal'),
}

export function logs(
  service: string | undefined,
  options: DataOptions & { lines: number; follow?: boolean },
): void {
  const folder = files(resolve(options.data)).logs
  const all = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.log')) : []
  const cell =
    service && existsSync(files(resolve(options.data)).plan)
      ? readPlan(resolve(options.data)).cells.find((candidate) => candidate.services.includes(service))?.id
      : undefined
  const wanted =
    service === undefined ? all : all.filter((name) => name === `${service}.log` || name === `${cell}.log`)
  if (wanted.length === 0)
    throw new KintsugiError(
      'not-found',
      service ? `there is no log of ${service}` : `there are no logs in ${folder}`,
      {
        hint: `logs there are: ${all.map((name) => basename(name, '.log')).join(', ') || 'none'}`,
      },
    )
  const lines = wanted.flatMap((name) =>
    tail(join(folder, name)).map((line) => ({ name: basename(name, '.log'), line, time: timeOf(line) })),
  )
  lines.sort((a, b) => a.time - b.time)
  for (const { name, line } of lines.slice(-options.lines)) show(name, line, options.json === true)
  if (!options.follow) return
  for (const name of wanted) {
    const path = join(folder, name)
    let at = statSync(path).size
    watch(path, () => {
      const { size } = statSync(path)
      if (size < at) at = 0
      for (const line of read(path, at, size - at).split('\n'))
        if (line !== '') show(basename(name, '.log'), line, options.json === true)
      at = size
    })
  }
}

function tail(path: string): string[] {
  const { size } = statSync(path)
  return read(path, Math.max(0, size - TAIL_BYTES), Math.min(size, TAIL_BYTES))
    .split('\n')
    .filter((line) => line !== '')
}

function read(path: string, from: number, length: number): string {
  const fd = openSync(path, 'r')
  const buffer = Buffer.alloc(Math.max(0, length))
  readSync(fd, buffer, 0, buffer.length, from)
  closeSync(fd)
  return buffer.toString('utf8')
}

function timeOf(line: string): number {
  return Number(/"time":(\d+)/.exec(line)?.[1] ?? 0)
}

function show(name: string, line: string, json: boolean): void {
  if (json) {
    console.log(line.startsWith('{') ? line : JSON.stringify({ process: name, msg: line }))
    return
  }
  try {
    const { time, level, msg, pid: _, process: __, ...rest } = JSON.parse(line)
    const fields = Object.keys(rest).length > 0 ? color.dim(JSON.stringify(rest)) : ''
    console.log(
      `${color.dim(new Date(time).toISOString().slice(11, 23))} ${color.cyan(name.padEnd(20))} ${LEVELS[level] ?? level} ${msg ?? ''} ${fields}`,
    )
  } catch {
    console.log(`${' '.repeat(12)} ${color.cyan(name.padEnd(20))} ${line}`)
  }
}
