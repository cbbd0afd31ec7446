/** Arguments of the embedded chain. */
const LOCAL_CHAIN_ID = 31_337

/**
 * How many blocks of history the chain keeps, in memory only: every state is a copy of the whole world with
 * the hashes of all blocks, every transaction has its traces (about 12 kB). Receipts are read for bookings,
 * logs by tools for up to 2,000 blocks back.
 */
export const KEPT_BLOCKS = { states: 16, transactions: 2_000 } as const

export interface AnvilOptions {
  port: number
  /**
   * The number of its first block: later chains of one data folder start above earlier ones, so numbers never
   * repeat.
   */
  firstBlock: number
}

/**
 * Command-line arguments for anvil: loopback only, finality two blocks behind, no accounts with known keys, a
 * bounded history, no files.
 */
export function anvilArguments({ port, firstBlock }: AnvilOptions): string[] {
  return [
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--chain-id',
    String(LOCAL_CHAIN_ID),
    '--number',
    String(firstBlock),
    '--slots-in-an-epoch',
    '1',
    '--accounts',
    '0',
    '--quiet',
    '--no-request-size-limit',
    '--disable-code-size-limit',
    '--order',
    'fees',
    '--gas-limit',
    '30000000',
    '--prune-history',
    String(KEPT_BLOCKS.states),
    '--transaction-block-keeper',
    String(KEPT_BLOCKS.transactions),
  ]
}
