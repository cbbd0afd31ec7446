/** The kernel's count of processes that it killed because memory ran out. */
import { readFileSync } from 'node:fs'

/**
 * The number of processes that the kernel killed for lack of memory in this process's control group, or on
 * the machine if the group does not report it; undefined if neither is reported.
 */
export function oomKills(
  read: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): number | undefined {
  for (const path of [...groupFiles(read), '/proc/vmstat']) {
    const count = /^oom_kill (\d+)$/m.exec(textOf(path, read))?.[1]
    if (count !== undefined) return Number(count)
  }
  return undefined
}

/** The files of this process's control group, version 2 and 1, that hold the count. */
function groupFiles(read: (path: string) => string): string[] {
  return textOf('/proc/self/cgroup', read)
    .split('\n')
    .flatMap((line) => {
      const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      if (controllers === '' && path !== '') return [`/sys/fs/cgroup${path}/memory.events`]
      return controllers.split(',').includes('memory')
        ? [`/sys/fs/cgroup/memory${path}/memory.oom_control`]
        : []
    })
}

function textOf(path: string, read: (path: string) => string): string {
  try {
    return read(path)
  } catch {
    return ''
  }
}
