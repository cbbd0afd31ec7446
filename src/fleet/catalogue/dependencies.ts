/** What stands on what: orders and consequences. */
import { KintsugiError } from '../../std/errors.ts'

export interface DependencyNode {
  readonly id: string
  readonly cell: string
  readonly hard: readonly string[]
  readonly soft: readonly string[]
}

/** Waves: each needs only what stands in earlier ones. Throws `dependency-cycle`. */
export function startOrder(nodes: readonly DependencyNode[]): string[][] {
  const waves: string[][] = []
  const placed = new Set<string>()
  const known = new Set(nodes.map(({ id }) => id))
  while (placed.size < nodes.length) {
    const wave = nodes
      .filter(
        ({ id, hard, soft }) =>
          !placed.has(id) && [...hard, ...soft].every((need) => placed.has(need) || !known.has(need)),
      )
      .map(({ id }) => id)
    if (wave.length === 0)
      throw new KintsugiError(
        'dependency-cycle',
        `these stand on each other: ${nodes
          .filter(({ id }) => !placed.has(id))
          .map(({ id }) => id)
          .join(', ')}`,
      )
    for (const id of wave) placed.add(id)
    waves.push(wave)
  }
  return waves
}

/** What the loss of one touches, directly or by what stands on it. Throws `unknown-service`. */
export function impactOf(
  id: string,
  nodes: readonly DependencyNode[],
): { cannotStart: string[]; notReady: string[]; sameProcess: string[] } {
  const node = nodes.find((each) => each.id === id)
  if (!node)
    throw new KintsugiError('unknown-service', `service: no service is called ${JSON.stringify(id)} here`, {
      hint: `known: ${nodes.map((each) => each.id).join(', ')}`,
    })
  const reach = (edges: (each: DependencyNode) => readonly string[]): string[] => {
    const found = new Set([id])
    for (let before = -1; before !== found.size; ) {
      before = found.size
      for (const each of nodes) if (edges(each).some((need) => found.has(need))) found.add(each.id)
    }
    found.delete(id)
    return [...found]
  }
  const cannotStart = reach(({ hard }) => hard)
  return {
    cannotStart,
    notReady: reach(({ hard, soft }) => [...hard, ...soft]).filter((each) => !cannotStart.includes(each)),
    sameProcess: nodes.filter((each) => each.cell === node.cell && each.id !== id).map((each) => each.id),
  }
}
