/** Chaos scenarios as data, and the choice of the next victims from a seed. */
import type { Random } from '../../std/random.ts'

/** Kinds of faults that chaos injects. */
export type FaultKind = 'kill' | 'stop' | 'slow' | 'leak' | 'disconnect' | 'disk'

/** A fault that is injected at regular intervals. */
export interface Scenario {
  readonly title: string
  readonly kind: FaultKind
  readonly everyMs: number
  /** The number of victims at the same time. */
  readonly victims: number
  /** The groups of victims: cells, infrastructure, or supervisor, keeper and watcher (`keeping`). */
  readonly groups: readonly ('cell' | 'infrastructure' | 'keeping')[]
}

/** The scenarios by name. */
export const SCENARIOS = {
  kill: {
    title: 'a service killed every 2 s',
    kind: 'kill',
    everyMs: 2_000,
    victims: 1,
    groups: ['cell', 'infrastructure'],
  },
  stop: {
    title: 'a service stopped (it hangs) every 10 s',
    kind: 'stop',
    everyMs: 10_000,
    victims: 1,
    groups: ['cell'],
  },
  slow: {
    title: 'a service made 300 ms slower, for 5 s, every 8 s',
    kind: 'slow',
    everyMs: 8_000,
    victims: 1,
    groups: ['cell'],
  },
  leak: {
    title: 'a service that leaks 5 MB/s, every 120 s',
    kind: 'leak',
    everyMs: 120_000,
    victims: 1,
    groups: ['cell'],
  },
  disconnect: {
    title: 'a service loses the bus for 3 s, every 6 s',
    kind: 'disconnect',
    everyMs: 6_000,
    victims: 1,
    groups: ['cell'],
  },
  disk: {
    title: 'the disk of the data folder full for 5 s, every 20 s',
    kind: 'disk',
    everyMs: 20_000,
    victims: 0,
    groups: [],
  },
  supervisor: {
    title: 'the supervisor killed every 5 s',
    kind: 'kill',
    everyMs: 5_000,
    victims: 1,
    groups: ['keeping'],
  },
  pairs: {
    title: 'two of everything killed at the same instant, every 6 s',
    kind: 'kill',
    everyMs: 6_000,
    victims: 2,
    groups: ['cell', 'infrastructure', 'keeping'],
  },
} as const satisfies Record<string, Scenario>

/** The name of a scenario. */
export type ScenarioName = keyof typeof SCENARIOS

/** A process that a fault may be injected into. */
export interface Victim {
  readonly id: string
  readonly group: 'cell' | 'infrastructure' | 'keeping'
}

/**
 * Picks the next victims. Keeper and watcher are never picked together: that pair cannot recover by itself.
 */
export function nextVictims({ groups, victims }: Scenario, all: readonly Victim[], random: Random): Victim[] {
  const left = all.filter(({ group }) => groups.includes(group))
  const chosen: Victim[] = []
  while (chosen.length < victims && left.length > 0) {
    const [victim] = left.splice(Math.floor(random() * left.length), 1) as [Victim]
    const forbidden =
      (victim.id === 'keeper' && chosen.some(({ id }) => id === 'watcher')) ||
      (victim.id === 'watcher' && chosen.some(({ id }) => id === 'keeper'))
    if (!forbidden) chosen.push(victim)
  }
  return chosen
}
