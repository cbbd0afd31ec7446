/** Restarting a service together with everything that depends on it. */
import { cascadeOf } from '../../fleet/catalogue/dependencies.ts'
import type { FleetControl } from '../../ports/fleet.ts'

/** Cells in the order of their restart. */
export interface Cascade {
  readonly restarted: readonly string[]
  /** Cells that were not restarted: that of the service which restarts the others. */
  readonly left: readonly string[]
}

/**
 * Restarts the cell of a service, then each cell that depends on it, dependencies first, except the cell of
 * `own`, which could not answer.
 * `by`: who requested it. `onProgress` is called before each cell. Throws `unknown-service`.
 */
export async function cascadeRestart(
  fleet: Pick<FleetControl, 'dependencies' | 'restart'>,
  service: string,
  { own, by }: { readonly own: string; readonly by: string },
  onProgress: (done: number, total: number, cell: string) => void,
): Promise<Cascade> {
  const nodes = await fleet.dependencies()
  const ownCell = nodes.find(({ id }) => id === own)?.cell
  const cells = cascadeOf(service, nodes)
  const restarted: string[] = []
  for (const [index, cell] of cells.entries()) {
    onProgress(index, cells.length, cell)
    if (cell === ownCell) continue
    await fleet.restart(cell, `cascade from ${service}, by ${by}`)
    restarted.push(cell)
  }
  return { restarted, left: cells.filter((cell) => cell === ownCell) }
}
