/** Token screening: which tokens are excluded after a simulated transfer to our contract and back. */
import { decodeFunctionData, encodeFunctionResult, parseAbi } from 'viem'
import { expect, test } from 'vitest'
import {
  addressOf,
  DAI,
  DAI_USDC,
  logOf,
  PoolMarket,
  topicOf,
  USDC,
  WETH,
  WETH_USDC,
} from '../../../test/support/pool-market.ts'
import type { Address, Pool } from '../../amm/index.ts'
import type { Chain, SimulatedCall, Simulation } from '../../ports/chain.ts'
import { excludedTokens } from './token-screening.ts'

const EXECUTOR = addressOf('e')
const VAULT = addressOf('d')
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const aggregateAbi = parseAbi([
  'struct Call { address target; bool allowFailure; bytes callData; }',
  'struct Result { bool success; bytes returnData; }',
  'function aggregate3(Call[] calls) payable returns (Result[])',
])
const erc20Abi = parseAbi([
  'function balanceOf(address) view returns (uint256)',
  'function transfer(address, uint256) returns (bool)',
])

interface Probe {
  token: Address
  from: Address
  amount: bigint
}

/** A chain with balances by `token holder`; `outcome` decides how the two transfers of a token end. */
function chainOf(
  balances: Readonly<Record<string, bigint>>,
  outcome: (token: Address) => { received?: bigint; there?: string; back?: string } = () => ({}),
) {
  const probes: Probe[] = []
  const chain: Pick<Chain, 'call' | 'simulate'> = {
    call: async ({ data }) => {
      const { args } = decodeFunctionData({ abi: aggregateAbi, data: data ?? '0x' })
      const results = args[0].map(({ target, callData }) => {
        const holder = decodeFunctionData({ abi: erc20Abi, data: callData }).args[0].toLowerCase()
        const result = balances[`${target.toLowerCase()} ${holder}`] ?? 0n
        return {
          success: true,
          returnData: encodeFunctionResult({ abi: erc20Abi, functionName: 'balanceOf', result }),
        }
      })
      return encodeFunctionResult({ abi: aggregateAbi, functionName: 'aggregate3', result: results })
    },
    simulate: async (calls): Promise<Simulation[]> => {
      const [there] = calls as [SimulatedCall, SimulatedCall]
      const token = there.to as Address
      const { args } = decodeFunctionData({ abi: erc20Abi, data: there.data ?? '0x' })
      const amount = args[1] as bigint
      probes.push({ token, from: there.from as Address, amount })
      const { received = amount, there: error, back } = outcome(token)
      const log = logOf(token, [TRANSFER, topicOf(there.from as Address), topicOf(EXECUTOR)], [received])
      return [
        { succeeded: error === undefined, gasUsed: 1n, logs: [log], ...(error ? { error } : {}) },
        { succeeded: back === undefined, gasUsed: 1n, logs: [], ...(back ? { error: back } : {}) },
      ]
    },
  }
  return { chain: chain as Chain, probes }
}

const execution = { executor: EXECUTOR, operator: addressOf('4'), treasury: addressOf('5') }
const balances = {
  [`${WETH} ${WETH_USDC.address}`]: 100_000n,
  [`${USDC} ${WETH_USDC.address}`]: 5_000n,
  [`${USDC} ${DAI_USDC.address}`]: 9_000n,
  [`${DAI} ${DAI_USDC.address}`]: 7_000n,
}

test('a thousandth of the richest pool balance of each token is sent, and ordinary tokens pass', async () => {
  const { chain, probes } = chainOf(balances)
  expect(await excludedTokens(chain, new PoolMarket(undefined, { execution }).manifest, 1)).toEqual([])
  expect(probes).toEqual([
    { token: WETH, from: WETH_USDC.address, amount: 100n },
    { token: USDC, from: DAI_USDC.address, amount: 9n },
    { token: DAI, from: DAI_USDC.address, amount: 7n },
  ])
})

test('a fee on transfers, a refused transfer and a token that cannot leave are excluded with the reason', async () => {
  const { chain } = chainOf(balances, (token) =>
    token === WETH ? { received: 98n } : token === USDC ? { there: 'blocked' } : { back: 'paused' },
  )
  expect(await excludedTokens(chain, new PoolMarket(undefined, { execution }).manifest, 1)).toEqual([
    { token: WETH, reason: 'fee on transfers: 98 of 100 units arrived' },
    { token: USDC, reason: 'a pool cannot send it to our contract: blocked' },
    { token: DAI, reason: 'our contract cannot send it on: paused' },
  ])
})

test('a token too scarce to probe is not excluded, and nothing is probed without a contract of ours', async () => {
  const { chain, probes } = chainOf({ [`${WETH} ${WETH_USDC.address}`]: 999n })
  expect(await excludedTokens(chain, new PoolMarket(undefined, { execution }).manifest, 1)).toEqual([])
  const rich = chainOf(balances)
  expect(await excludedTokens(rich.chain, new PoolMarket().manifest, 1)).toEqual([])
  expect([...probes, ...rich.probes]).toEqual([])
})

test('the tokens of a pool in the vault are held by the vault', async () => {
  const pool: Pool = {
    kind: 'weighted',
    address: addressOf('9'),
    dex: 'balancer_v2',
    tokens: [WETH, DAI],
    scalingFactors: [1n, 1n],
    balances: [1n, 1n],
    weights: [1n, 1n],
    swapFee: 0n,
  }
  const { chain, probes } = chainOf({ [`${WETH} ${VAULT}`]: 50_000n })
  const { manifest } = new PoolMarket([pool], { execution, balancer: { vault: VAULT } })
  expect(await excludedTokens(chain, manifest, 1)).toEqual([])
  expect(probes).toEqual([{ token: WETH, from: VAULT, amount: 50n }])
})
