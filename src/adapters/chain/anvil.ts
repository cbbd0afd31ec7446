/** Arguments of the embedded chain. */
const LOCAL_CHAIN_ID = 31_337

export interface AnvilOptions {
  port: number
  /**
   * The number of its first block: later chains of one data folder start above earlier ones, so numbers never
   * repeat.
   */
  firstBlock: number
}

/**
 * Command-line arguments for anvil: loopback only, finality two blocks behind, no accounts with known keys.
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
  ]
}
