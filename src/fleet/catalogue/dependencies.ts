/** Dependencies between services and infrastructure: orders and consequences. */
import { KintsugiError } from '../../std/errors.ts'
import { findService } from '../find-service.ts'

/** A service or a piece of infrastructure in the graph of dependencies. */
export interface DependencyNode {
  readonly id: string
  /** The process that it runs in. */
  readonly cell: string
  /** Ids that must be available before it starts. */
  readonly hard: readonly string[]
  /** Ids without which it runs, but is not ready. */
  readonly soft: readonly string[]
}

/**
 * Waves of ids: each wave depends on earlier waves only. Ids that are no nodes count as available. Throws
 * `dependency-cycle`.
 */
export function startOrder(nodes: readonly DependencyNode[]): string[][] {
  const waves: string[][] = []
  const placed = new Set<string>()
  const known = new Set(nodes.map(({ id }) => id))
  while (placed.size < nodes.length) {
    const left = nodes.filter(({ id }) => !placed.has(id))
    const wave = left
      .filter(({ hard, soft }) => [...hard, ...soft].every((need) => placed.has(need) || !known.has(need)))
      .map(({ id }) => id)
    if (wave.length === 0)
      throw new KintsugiError(
        'dependency-cycle',
        `these depend on each other: ${left.map(({ id }) => id).join(', ')}`,
      )
    for (const id of wave) placed.add(id)
    waves.push(wave)
  }
  return waves
}

/** The consequences of a loss. */
export interface Impact {
  /** Ids that could not start, because they depend on it by hard dependencies only. */
  readonly cannotStart: string[]
  /** Other ids that depend on it, directly or indirectly. */
  readonly notReady: string[]
  /** Other ids in its process. */
  readonly sameProcess: string[]
}

/** The effects of the loss of a service or piece of infrastructure. Throws `unknown-service`. */
export function impactOf(id: string, nodes: readonly DependencyNode[]): Impact {
  const node = findService(nodes, id)
  const cannotStart = dependantsOf(id, nodes, ({ hard }) => hard)
  const affected = dependantsOf(id, nodes, ({ hard, soft }) => [...hard, ...soft])
  return {
    cannotStart,
    notReady: affected.filter((each) => !cannotStart.includes(each)),
    sameProcess: nodes.filter((each) => each.cell === node.cell && each.id !== id).map((each) => each.id),
  }
}

/**
 * The cells to restart with a service, in order: its own, then those of its dependants, dependencies first.
 * Throws `unknown-service`.
 */
export function cascadeOf(id: string, nodes: readonly DependencyNode[]): string[] {
  const { cannotStart, notReady } = impactOf(id, nodes)
  const dependants = startOrder(nodes)
    .flat()
    .filter((each) => cannotStart.includes(each) || notReady.includes(each))
  const cellOf = new Map(nodes.map((node) => [node.id, node.cell]))
  return [...new Set([id, ...dependants].map((each) => cellOf.get(each) ?? each))]
}

/** The nodes that most others depend on directly, with the number of these, at most `max` of them. */
export function mostNeeded(
  nodes: readonly DependencyNode[],
  max: number,
): { id: string; dependants: number }[] {
  return nodes
    .map(({ id }) => ({
      id,
      dependants: nodes.filter(({ hard, soft }) => hard.includes(id) || soft.includes(id)).length,
    }))
    .filter(({ dependants }) => dependants > 0)
    .sort((a, b) => b.dependants - a.dependants)
    .slice(0, max)
}

/** The graph as Mermaid: solid edges for hard dependencies, dotted ones for soft ones. */
export function mermaidOf(nodes: readonly DependencyNode[]): string {
  const name = (id: string) => id.replace(/\W/g, '_')
  const edges = nodes.flatMap(({ id, hard, soft }) => [
    ...hard.map((to) => `  ${name(id)} --> ${name(to)}`),
    ...soft.map((to) => `  ${name(id)} -.-> ${name(to)}`),
  ])
  return ['graph LR', ...edges].join('\n')
}

/** Ids that depend on `id` over the given edges, directly or indirectly. */
function dependantsOf(
  id: string,
  nodes: readonly DependencyNode[],
  edges: (node: DependencyNode) => readonly string[],
): string[] {
  const found = new Set([id])
  for (let before = -1; before !== found.size; ) {
    before = found.size
    for (const node of nodes) if (edges(node).some((need) => found.has(need))) found.add(node.id)
  }
  found.delete(id)
  return [...found]
}
