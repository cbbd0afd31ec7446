/** Finality: the blocks that are never undone. */
import type { Chain } from '../../ports/chain.ts'
import type { Finality } from './profile.ts'

/**
 * The number of the last final block. Throws `chain-unreachable`; a node that does not know the tag is judged
 * by depth.
 */
export async function finalBlock(
  chain: Chain,
  { tag, depthWithoutTag }: Finality,
  head: number,
): Promise<number> {
  try {
    return (await chain.block(tag)).number
  } catch (error) {
    const code = (error as { code?: string }).code
    if (code !== 'rpc-failed' && code !== 'block-not-found') throw error
    return Math.max(0, head - depthWithoutTag)
  }
}
