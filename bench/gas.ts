/**
 * Gas of the same two-leg route with each lender: our contract and a plain one, in one run on one chain.
 * node bench/gas.ts PLAIN.sol   a plain executor with the interface exec(uint8,address,address,uint256,uint256,uint8,Step[])
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Abi, encodeDeployData, encodeFunctionData, type Hex } from 'viem'
import type { Address } from '../src/amm/index.ts'
import { poolOffers, readProtocolLenders } from '../src/engine/trading/loan-reader.ts'
import { rankOffers } from '../src/flash/index.ts'
import { cyclesOf, sizeCycle } from '../src/graph/index.ts'
import { encodeExecute } from '../src/intents/index.ts'
import { own } from '../src/localnet/artifacts.ts'
import { rpc, toHex } from '../src/localnet/rpc.ts'
import { localSwap } from '../src/localnet/traders.ts'
import { followMarket, OPERATOR, startTestChain } from '../test/support/local-chain.ts'

const file = process.argv[2]
if (!file) throw new Error('name the plain contract: node bench/gas.ts PLAIN.sol')
const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string }
const settings = {
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,
  evmVersion: 'cancun',
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
}
const compiled = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: 'Solidity',
      sources: { plain: { content: readFileSync(file, 'utf8') } },
      settings,
    }),
  ),
)
const plain = Object.values(
  compiled.contracts.plain as Record<string, { abi: Abi; evm: { bytecode: { object: string } } }>,
).find((contract) => contract.evm.bytecode.object !== '')
if (!plain) throw new Error(`${file} has no contract`)

const local = await startTestChain()
const { url, chain, market } = local
try {
  const replica = await followMarket(local)
  await rpc(url, 'anvil_impersonateAccount', OPERATOR)
  const mine = async () => rpc(url, 'evm_mine')
  const send = async (transaction: object) => {
    const hash = await rpc<Hex>(url, 'eth_sendTransaction', { gas: toHex(5_000_000), ...transaction })
    await mine()
    return rpc<{ status: Hex; gasUsed: Hex; contractAddress: Hex }>(url, 'eth_getTransactionReceipt', hash)
  }
  const deployed = await send({
    from: OPERATOR,
    data: encodeDeployData({ abi: plain.abi, bytecode: `0x${plain.evm.bytecode.object}`, args: [] }),
  })
  // One large trade opens a gap between the two constant-product exchanges.
  const pair = [...replica.pools.values()].find(
    (pool) => pool.kind === 'constant-product' && pool.dex === 'quickswap',
  )
  if (pair?.kind !== 'constant-product') throw new Error('no pair')
  const swap = encodeFunctionData({
    abi: own('LocalTrader').abi,
    functionName: 'swap',
    args: [
      localSwap(pair, { pool: pair.address, tokenIn: pair.tokens[0], tokenOut: pair.tokens[1] }),
      pair.reserves[0] / 10n,
      0n,
    ],
  })
  await send({ from: '0x00000000000000000000000000000000000b0001', to: market.trader, data: swap })
  await replica.confirm()
  const cycle = cyclesOf(
    [...replica.pools.values()].filter((pool) => pool.kind === 'constant-product'),
    { maxHops: 2, startTokens: market.manifest.startTokens },
  ).find((candidate) => sizeCycle(candidate, replica.pools))
  if (!cycle) throw new Error('no gap')
  const token = (cycle[0] as (typeof cycle)[number]).tokenIn
  const size = (sizeCycle(cycle, replica.pools)?.amounts[0] ?? 0n) / 2n
  const protocol = await readProtocolLenders(chain, market.manifest, [token], replica.head.number)
  const offers = rankOffers(
    [...(protocol.byToken.get(token) ?? []), ...poolOffers(token, replica.pools.values())],
    { pools: cycle.map((hop) => hop.pool), usesBalancer: false },
    size,
  )
  const route = cycle.map((hop) => ({
    kind: 0,
    pool: hop.pool,
    tokenIn: hop.tokenIn,
    tokenOut: hop.tokenOut,
    feePpm: 3000,
    extra: `0x${'0'.repeat(64)}`,
  }))
  const execution = market.manifest.execution as { executor: Address }
  const snapshot = await rpc<Hex>(url, 'evm_snapshot')
  const run = async (transaction: object) => {
    await rpc(url, 'evm_revert', snapshotId)
    snapshotId = await rpc<Hex>(url, 'evm_snapshot')
    // One run before, so that no storage slot is written for the first time.
    const first = await send(transaction)
    const second = await send(transaction)
    if (first.status !== '0x1' || second.status !== '0x1') throw new Error('a run reverted')
    return Number(second.gasUsed)
  }
  let snapshotId = snapshot
  console.log(
    `two constant-product legs, ${size} units of ${token}\n\n| lender | plain | ours | saved |\n|---|---|---|---|`,
  )
  const PLAIN_KIND = { 'aave-v3': 0, 'balancer-v2': 1, 'uniswap-v3': 2, 'uniswap-v2': 3 } as const
  for (const kind of ['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2'] as const) {
    const offer = offers.find((candidate) => candidate.kind === kind)
    if (!offer) {
      console.log(`| ${kind} | no offer | | |`)
      continue
    }
    const amount = size / 8n
    const theirs = await run({
      from: OPERATOR,
      to: deployed.contractAddress,
      data: encodeFunctionData({
        abi: plain.abi,
        functionName: 'exec',
        args: [PLAIN_KIND[kind], offer.lender, token, amount, 1n, offer.isToken0 ? 0 : 1, route],
      }),
    })
    const data = encodeExecute({
      lender: { kind, address: offer.lender, isToken0: offer.isToken0 },
      token,
      amount,
      minProfit: 1n,
      deadline: 4_000_000_000,
      cycles: [
        {
          amountIn: amount,
          legs: cycle.map((hop) => ({
            venue: 'pair' as const,
            pool: hop.pool,
            tokenIn: hop.tokenIn,
            feeBps: 30,
          })),
        },
      ],
    })
    const ours = await run({ from: OPERATOR, to: execution.executor, data })
    console.log(`| ${kind} | ${theirs} | ${ours} | ${(100 * (1 - ours / theirs)).toFixed(1)} % |`)
  }
} finally {
  await local.stop()
}
