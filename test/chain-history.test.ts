/** The embedded chain keeps a bounded history, in memory only; what reads history finds what it needs. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeFunctionData, parseAbi } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KEPT_BLOCKS } from '../src/adapters/chain/anvil.ts'
import { BUILDER } from '../src/localnet/plan.ts'
import { rpc, toHex } from '../src/localnet/rpc.ts'
import type { Hex } from '../src/ports/chain.ts'
import { followMarket, startTestChain, type TestChain } from './support/local-chain.ts'

const abi = parseAbi(['function approve(address spender, uint256 value)'])
const { states, transactions } = KEPT_BLOCKS
const home = mkdtempSync(join(tmpdir(), 'kintsugi-home-'))
const before = process.env.HOME
let local: TestChain
beforeAll(async () => {
  process.env.HOME = home
  local = await startTestChain()
})
afterAll(async () => {
  process.env.HOME = before
  await local.stop()
  rmSync(home, { recursive: true, force: true })
})

const mine = (blocks: number) => rpc(local.url, 'anvil_mine', toHex(blocks))
const token = () => local.market.manifest.wrappedNative

/** Sends a transaction with one log. */
const approve = () =>
  rpc<Hex>(local.url, 'eth_sendTransaction', {
    from: BUILDER,
    to: token(),
    gas: toHex(100_000),
    data: encodeFunctionData({ abi, functionName: 'approve', args: [BUILDER, 7n] }),
  })

test('a replica that falls behind by more blocks than states are kept reads the market again', async () => {
  const replica = await followMarket(local)
  await mine(states * 3)
  const { number } = await local.chain.block('latest')
  await expect.poll(() => replica.head.number, { timeout: 10_000 }).toBe(number)
  expect(replica.failure).toBeUndefined()
})

test('a reorganisation reaches as far back as states are kept', async () => {
  await mine(states)
  const { number } = await local.chain.block('latest')
  const undone = await local.chain.block(number - states + 3)
  await rpc(local.url, 'anvil_reorg', states - 2, [])
  expect((await local.chain.block(undone.number)).hash).not.toBe(undone.hash)
})

test('receipts and logs of the last 2,000 blocks, states of the last 16, no file, little memory', {
  timeout: 120_000,
}, async () => {
  await rpc(local.url, 'anvil_impersonateAccount', BUILDER)
  const hash = await approve()
  await mine(1)
  const receipt = await local.chain.receipt(hash)
  const block = receipt?.blockNumber as number
  const logs = () => local.chain.logs({ fromBlock: block, toBlock: block, address: token() })
  await mine(transactions - 1)
  expect(await local.chain.receipt(hash)).toEqual(receipt)
  expect(await logs()).toHaveLength(1)
  const { number } = await local.chain.block('latest')
  expect(await local.chain.balance(BUILDER, number - states + 2)).toBeGreaterThanOrEqual(0n)
  await expect(local.chain.balance(BUILDER, number - states - 2)).rejects.toThrow(/BlockOutOfRange/)
  await mine(2)
  expect(await local.chain.receipt(hash)).toBeUndefined()
  expect(await logs()).toEqual([])
  // Headers are kept: a chain is identified by its first block.
  const { genesisBlock, genesis } = local.market.manifest
  expect((await local.chain.block(genesisBlock)).hash).toBe(genesis)
  const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.map(({ name }) => name)).toEqual([])
  const rss = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${local.process.pid}/status`, 'utf8'))?.[1]
  // Without limits it uses over 300 MiB here.
  expect(Number(rss) / 1_024).toBeLessThan(200)
})
