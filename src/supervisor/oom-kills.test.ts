import { expect, test } from 'vitest'
import { oomKills } from './oom-kills.ts'

const reading = (files: Record<string, string>) => (path: string) => {
  const text = files[path]
  if (text === undefined) throw new Error(`no such file: ${path}`)
  return text
}
const VMSTAT = { '/proc/vmstat': 'nr_free_pages 5\noom_kill 9\n' }

test('the count of the own control group, of version 2 or 1, else that of the machine', () => {
  const v2 = { '/proc/self/cgroup': '0::/user/scope\n' }
  const events = { '/sys/fs/cgroup/user/scope/memory.events': 'low 0\noom 4\noom_kill 3\noom_group_kill 1\n' }
  expect(oomKills(reading({ ...v2, ...events, ...VMSTAT }))).toBe(3)
  expect(oomKills(reading({ ...v2, ...VMSTAT }))).toBe(9)
  const v1 = { '/proc/self/cgroup': '5:cpu,memory:/box\n0::/\n' }
  const control = { '/sys/fs/cgroup/memory/box/memory.oom_control': 'oom_kill_disable 0\noom_kill 2\n' }
  expect(oomKills(reading({ ...v1, ...control, ...VMSTAT }))).toBe(2)
})

test('undefined where nothing is reported, as on other systems', () => {
  expect(oomKills(reading({}))).toBeUndefined()
})
