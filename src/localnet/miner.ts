/**
 * Mines the local chain's blocks. anvil's own interval mining would lift its limit of kept states to 1,500,
 * and each state holds the hashes of all blocks.
 */
import { rpc } from './rpc.ts'

/**
 * Mines a block every `blockMs`; one that takes longer delays the next. Calls `onError` if the chain does
 * not answer. Returns a function that stops.
 */
export function mineBlocks(url: string, blockMs: number, onError: (error: unknown) => void): () => void {
  let mining = false
  const timer = setInterval(() => {
    if (mining) return
    mining = true
    rpc(url, 'evm_mine')
      .catch(onError)
      .finally(() => {
        mining = false
      })
  }, blockMs)
  return () => clearInterval(timer)
}
