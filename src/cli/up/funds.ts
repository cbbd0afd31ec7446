/** Keys of a data folder that own a balance on a real chain: moving their folder would hide the money. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { endpointName } from '../../adapters/chain/failover.ts'
import { JsonRpcChain } from '../../adapters/chain/json-rpc.ts'
import type { Settings } from '../../adapters/settings.ts'
import type { Address } from '../../amm/index.ts'
import { rpcVariable } from '../../engine/chains/names.ts'
import { processCommand, signerEnvironment } from '../../processes/run/command.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { units } from '../format.ts'

const TIMEOUT_MS = 5_000
const SIGNER_TIMEOUT_MS = 20_000

/**
 * Checks every chain whose NAME_RPC_URL is set. Throws `refused` if a key owns a native balance there, or if
 * the balance cannot be read.
 */
export async function refuseFundedKeys(dataFolder: string, rpcUrls: Settings['rpcUrls']): Promise<void> {
  const chains = Object.entries(rpcUrls)
  if (chains.length === 0 || !existsSync(join(dataFolder, 'keys'))) return
  const accounts = keyAccounts(dataFolder)
  for (const [chain, urls] of chains) {
    const owned = await ownedOn(urls, accounts).catch((error) => {
      throw refusal(`the balances of its keys on ${chain} cannot be read: ${messageOf(error)}`, chain)
    })
    const found = owned.map(({ account, balance }) => `${account} owns ${units(balance, 18)}`)
    if (found.length > 0) throw refusal(`on ${chain}, ${found.join(' and ')} of the native coin`, chain)
  }
}

const refusal = (what: string, chain: string): KintsugiError =>
  new KintsugiError('refused', `--fresh: ${what}`, {
    hint: `add --with-funds to move the keys aside nevertheless, or unset ${rpcVariable(chain)}`,
  })

/** The addresses of the folder's keys, as the signer derives them: no other process reads a key. */
function keyAccounts(dataFolder: string): Address[] {
  const { command, args } = processCommand('signer')
  const { status, stdout, stderr } = spawnSync(command, [...args, '--addresses'], {
    env: signerEnvironment(dataFolder),
    encoding: 'utf8',
    timeout: SIGNER_TIMEOUT_MS,
  })
  if (status !== 0)
    throw new KintsugiError('key-invalid', stderr.trim().split('\n').at(-1) || 'the keys cannot be read', {
      hint: 'check the folder `keys` of the data folder',
    })
  return JSON.parse(stdout) as Address[]
}

/** The accounts with a balance at the first node that answers. Throws the last node's error. */
async function ownedOn(
  urls: string,
  accounts: readonly Address[],
): Promise<{ account: Address; balance: bigint }[]> {
  let failure: unknown
  for (const url of urls.split(',').map((each) => each.trim())) {
    const chain = new JsonRpcChain({ url, timeoutMs: TIMEOUT_MS })
    try {
      const balances = await Promise.all(accounts.map((account) => chain.balance(account, 'latest')))
      return accounts.flatMap((account, index) => {
        const balance = balances[index] ?? 0n
        return balance > 0n ? [{ account, balance }] : []
      })
    } catch (error) {
      failure = new Error(`${endpointName(url)}: ${messageOf(error)}`)
    } finally {
      chain.close()
    }
  }
  throw failure
}
