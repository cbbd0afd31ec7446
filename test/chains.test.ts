/**
 * Differences between chains, each against a peer that behaves like the real one: discovery, data fees,
 * finality, log limits.
 */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Abi, encodeFunctionData, encodePacked, type Hex, parseAbi, toHex as textToHex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { JsonRpcChain } from '../src/adapters/chain/json-rpc.ts'
import type { Address } from '../src/amm/index.ts'
import { callSize, dataFeeOf } from '../src/arbitrage/index.ts'
import { arbitrum } from '../src/engine/chains/arbitrum.ts'
import { base } from '../src/engine/chains/base.ts'
import { readDataFee } from '../src/engine/chains/data-fee.ts'
import { ethereum } from '../src/engine/chains/ethereum.ts'
import { finalBlock } from '../src/engine/chains/finality.ts'
import { polygon } from '../src/engine/chains/polygon.ts'
import type { ChainProfile } from '../src/engine/chains/profile.ts'
import { termsOf } from '../src/engine/chains/profiles.ts'
import { discoverMarket } from '../src/engine/market/discovery.ts'
import { readBatch } from '../src/engine/market/pool-reader.ts'
import { standingPolicies } from '../src/engine/trading/policies.ts'
import { own, uniswapV2 } from '../src/localnet/artifacts.ts'
import { BUILDER } from '../src/localnet/plan.ts'
import { rpc, toHex } from '../src/localnet/rpc.ts'
import { TradingFloor } from './support/trading.ts'

let floor: TradingFloor
beforeAll(async () => {
  floor = await TradingFloor.open()
}, 60_000)
afterAll(() => floor?.close())

const send = (from: Address, to: Address, data: Hex, gas = 5_000_000) =>
  rpc<Hex>(floor.local.url, 'eth_sendTransaction', { from, to, data, gas: toHex(gas) })
const impersonate = async (account: Address) => {
  await rpc(floor.local.url, 'anvil_setBalance', account, toHex(10n ** 24n))
  await rpc(floor.local.url, 'anvil_impersonateAccount', account)
}

describe('discovery', () => {
  const readerCode = own('MarketReader').deployedBytecode
  const executorCode = own('KintsugiExecutor').bytecode
  const profile = (): ChainProfile => {
    const { manifest } = floor.market
    return {
      name: 'polygon',
      chainId: manifest.chainId,
      nativeSymbol: manifest.nativeSymbol,
      wrappedNative: manifest.wrappedNative,
      numeraire: manifest.numeraire,
      tokens: manifest.tokens,
      multicall: manifest.multicall,
      exchanges: manifest.exchanges,
      aave: { pool: manifest.aave?.pool as Address },
      ...termsOf(manifest.chainId),
    }
  }

  test('finds every pool of every exchange with its parameters, and nothing else', {
    timeout: 30_000,
  }, async () => {
    const notes: string[] = []
    const found = await discoverMarket({
      chain: floor.local.chain,
      readerCode,
      executorCode,
      batch: readBatch(100),
      profile: profile(),
      onProgress: (text) => notes.push(text),
    })
    const plain = (pools: typeof found.pools) =>
      pools
        .map(({ reference: _, feePips, powShortcuts: __, invariantRounding: ___, ...rest }) => ({
          ...rest,
          ...(rest.engine === 'algebra' ? {} : { feePips }),
        }))
        .sort((a, b) => (a.address < b.address ? -1 : 1))
    expect(plain(found.pools)).toEqual(plain(floor.local.market.manifest.pools))
    expect(found.aave).toEqual(floor.local.market.manifest.aave)
    // The generations of Balancer's pools are distinguished by the vault's own quotes.
    const shortcuts = (pools: typeof found.pools) =>
      pools.filter((pool) => pool.powShortcuts).map((pool) => pool.address)
    for (const address of shortcuts(floor.local.market.manifest.pools))
      expect(shortcuts(found.pools)).toContain(address)
    expect(shortcuts(found.pools).length).toBe(1)
    expect(found.pools.filter((pool) => pool.kind === 'stable').length).toBe(1)
    expect(notes.length).toBeGreaterThan(0)
  })

  test('a node of another chain is refused, and the hint names the variable to set', async () => {
    const answer = discoverMarket({
      chain: floor.local.chain,
      readerCode,
      executorCode,
      batch: readBatch(100),
      profile: base,
    })
    await expect(answer).rejects.toMatchObject({
      code: 'wrong-chain',
      message: 'the node is on chain 31337, base is chain 8453',
      hint: 'set BASE_RPC_URL to a node of base',
    })
    await expect(
      discoverMarket({ chain: floor.local.chain, readerCode, executorCode, batch: readBatch(100) }),
    ).rejects.toMatchObject({ code: 'unknown-chain' })
  })

  test('a token with a fee on transfers, one that cannot be transferred and one that the settings name are excluded with their pools', {
    timeout: 30_000,
  }, async () => {
    const token = (symbol: string) =>
      floor.market.manifest.tokens.find((candidate) => candidate.symbol === symbol)?.address as Address
    const [taxed, stuck, named] = [token('LINK'), token('AAVE'), token('WBTC')]
    const codes = await Promise.all(
      [taxed, stuck].map((address) => rpc<Hex>(floor.local.url, 'eth_getCode', address, 'latest')),
    )
    await rpc(
      floor.local.url,
      'anvil_setCode',
      taxed,
      oddToken('value -= value / 100; balanceOf[to] += value'),
    )
    await rpc(floor.local.url, 'anvil_setCode', stuck, oddToken('require(to == minter)'))
    const notes: string[] = []
    const found = await discoverMarket({
      chain: floor.local.chain,
      readerCode,
      executorCode,
      batch: readBatch(100),
      profile: profile(),
      excluded: [named],
      onProgress: (text) => notes.push(text),
    })
    await rpc(floor.local.url, 'anvil_setCode', taxed, codes[0])
    await rpc(floor.local.url, 'anvil_setCode', stuck, codes[1])
    for (const address of [taxed, stuck, named]) {
      expect(found.tokens.some((candidate) => candidate.address === address)).toBe(false)
      expect(found.pools.some((pool) => pool.tokens.includes(address))).toBe(false)
    }
    expect(notes.join('\n')).toMatch(/fee on transfers: \d+ of \d+ units arrived/)
    expect(notes.join('\n')).toMatch(/cannot send it to our contract/)
    expect(notes.join('\n')).toMatch(/EXCLUDED_TOKENS names it/)
    expect(found.pools.length).toBeGreaterThan(20)
  })

  test('pools created later are traded once they have liquidity', {
    timeout: 30_000,
  }, async () => {
    const { manifest } = floor.market
    const before = manifest.pools.length
    const factoryOf = (kind: string) =>
      manifest.exchanges.find((exchange) => exchange.kind === kind) as { factory: Address }
    const [link, aave] = ['LINK', 'AAVE']
      .map((symbol) => manifest.tokens.find((token) => token.symbol === symbol)?.address as Address)
      .sort() as [Address, Address]
    const pairFactory = factoryOf('uniswap-v2').factory
    await send(
      BUILDER,
      pairFactory,
      encodeFunctionData({
        abi: parseAbi(['function createPair(address,address)']),
        functionName: 'createPair',
        args: [link, aave],
      }),
    )
    const poolFactory = factoryOf('uniswap-v3').factory
    const createPool = parseAbi(['function createPool(address,address,uint24) returns (address)'])
    const createData = encodeFunctionData({
      abi: createPool,
      functionName: 'createPool',
      args: [link, aave, 3_000],
    })
    const concentrated =
      `0x${(await rpc<Hex>(floor.local.url, 'eth_call', { from: BUILDER, to: poolFactory, data: createData }, 'latest')).slice(-40)}` as Address
    await send(BUILDER, poolFactory, createData)
    await floor.mined()
    expect(floor.market.manifest.pools.length).toBe(before + 2)
    const pair = floor.market.manifest.pools.find(
      (pool) => pool.kind === 'constant-product' && pool.tokens.includes(link) && pool.tokens.includes(aave),
    )?.address as Address
    expect([pair, floor.market.pools.get(pair)]).toEqual([expect.stringMatching(/^0x/), undefined])
    expect(floor.market.pools.get(concentrated)).toBeUndefined()
    // Deposits: tokens from the traders' contract, which mints liquidity for any caller.
    const trader = floor.local.market.trader
    const erc20 = parseAbi(['function transfer(address,uint256)'])
    await impersonate(trader)
    for (const token of [link, aave])
      await send(
        trader,
        token,
        encodeFunctionData({ abi: erc20, functionName: 'transfer', args: [pair, 10n ** 21n] }),
      )
    await send(
      trader,
      pair,
      encodeFunctionData({ abi: uniswapV2('UniswapV2Pair').abi, functionName: 'mint', args: [trader] }),
    )
    await send(
      BUILDER,
      concentrated,
      encodeFunctionData({
        abi: parseAbi(['function initialize(uint160)']),
        functionName: 'initialize',
        args: [1n << 96n],
      }),
    )
    await send(
      BUILDER,
      trader,
      encodeFunctionData({
        abi: own('LocalTrader').abi as Abi,
        functionName: 'addLiquidity',
        args: [concentrated, -6_000, 6_000, 10n ** 21n],
      }),
    )
    await floor.mined()
    expect(floor.market.pools.get(pair)).toMatchObject({ reserves: [10n ** 21n, 10n ** 21n] })
    expect(floor.market.pools.get(concentrated)).toMatchObject({ liquidity: 10n ** 21n, feePips: 3_000 })
    // At a price of one both are far from the market: their cycles pay, and the running search finds them.
    const detection = floor.detector.detect({
      head: floor.market.head,
      changed: new Set([pair, concentrated]),
      logs: [],
      receivedAt: 0,
    })
    const used = new Set(
      detection.opportunities.flatMap(({ cycles }) =>
        cycles.flatMap(({ legs }) => legs.map((leg) => leg.pool)),
      ),
    )
    expect([used.has(pair), used.has(concentrated)]).toEqual([true, true])
    // A process that starts now finds them by the same events.
    const { followMarket } = await import('./support/local-chain.ts')
    const late = await followMarket(floor.local)
    expect(late.manifest.pools.length).toBe(before + 2)
    expect(late.pools.get(concentrated)).toEqual(floor.market.pools.get(concentrated))
    late.stop()
  })
})

/** The plain token, except for the amount that a transfer gives its receiver. */
function oddToken(gives: string): Hex {
  const plain = readFileSync(join(import.meta.dirname, '../contracts/src/LocalToken.sol'), 'utf8')
  const content = plain.replace(/balanceOf\[to\] \+= value;(?=\s+emit Transfer\(from, to)/, `${gives};`)
  if (content === plain) throw new Error('LocalToken.sol has changed: the line to replace was not found')
  const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string }
  const settings = {
    evmVersion: 'cancun',
    outputSelection: { '*': { '*': ['evm.deployedBytecode.object'] } },
  }
  const output = JSON.parse(
    solc.compile(JSON.stringify({ language: 'Solidity', sources: { token: { content } }, settings })),
  )
  return `0x${output.contracts.token.LocalToken.evm.deployedBytecode.object}`
}

describe('the price of data', () => {
  test('OP stack: the computed fee equals the one that the oracle returns for the transaction', async () => {
    const code = JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures/op-stack.json'), 'utf8')) as {
      GasPriceOracle: Hex
      L1Block: Hex
    }
    const [oracle, l1Block, depositor] = [
      '0x420000000000000000000000000000000000000f',
      '0x4200000000000000000000000000000000000015',
      '0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001',
    ] as const
    await rpc(floor.local.url, 'anvil_setCode', oracle, code.GasPriceOracle)
    await rpc(floor.local.url, 'anvil_setCode', l1Block, code.L1Block)
    await impersonate(depositor)
    const forks = parseAbi(['function setEcotone()', 'function setFjord()'])
    for (const functionName of ['setEcotone', 'setFjord'] as const) {
      await send(depositor, oracle, encodeFunctionData({ abi: forks, functionName }))
      await floor.mined()
    }
    // Base's scalars, 20 gwei on Ethereum, 3 gwei of blob base fee.
    const types = [
      'bytes4',
      'uint32',
      'uint32',
      'uint64',
      'uint64',
      'uint64',
      'uint256',
      'uint256',
      'bytes32',
      'bytes32',
    ] as const
    const nothing = `0x${'0'.repeat(64)}` as const
    await send(
      depositor,
      l1Block,
      encodePacked(types, [
        '0x440a5e20',
        2_269,
        1_055_762,
        0n,
        1n,
        1n,
        20_000_000_000n,
        3_000_000_000n,
        nothing,
        nothing,
      ]),
    )
    await floor.mined()
    const fee = await readDataFee(floor.local.chain, base.gas, floor.market.head.number)
    expect(fee?.chargedAs).toBe('sum')
    const upperBound = async (size: number) => {
      const data = encodeFunctionData({
        abi: parseAbi(['function getL1FeeUpperBound(uint256) view returns (uint256)']),
        functionName: 'getL1FeeUpperBound',
        args: [BigInt(size)],
      })
      return BigInt(await floor.local.chain.call({ to: oracle, data }, 'latest'))
    }
    for (const legs of [2, 3, 4, 8]) {
      const cycles = [{ legs: Array.from({ length: legs }, () => ({ pool: '0x1' })), amounts: [] }] as never
      const [computed, charged] = [dataFeeOf(fee, { cycles }), await upperBound(callSize({ cycles }) + 60)]
      expect(Math.abs(Number(computed) / Number(charged) - 1)).toBeLessThan(0.002)
      expect(charged).toBeGreaterThan(0n)
    }
  })

  test('Arbitrum: data is charged as gas by the precompile, and the gas limit includes it', async () => {
    if (arbitrum.gas.kind !== 'arbitrum') throw new Error('not the gas of arbitrum')
    // A precompile has no code to borrow: this returns six words, as the real one does.
    const perByte = 16n * 5_000_000_000n
    const words = [1_000n, perByte, 2_000n, 10_000_000n, 0n, 10_000_000n]
    const code = `0x${words.map((word, index) => `7f${word.toString(16).padStart(64, '0')}60${(index * 32).toString(16).padStart(2, '0')}52`).join('')}60c06000f3`
    await rpc(floor.local.url, 'anvil_setCode', arbitrum.gas.gasInfo, code)
    const fee = await readDataFee(floor.local.chain, arbitrum.gas, floor.market.head.number)
    expect(fee).toEqual({ fixed: Number(perByte) * 140, perByte: Number(perByte), chargedAs: 'gas' })
    expect(standingPolicies(arbitrum.chainId).gas).toMatchObject({ bidShareBps: 0, minPriorityFee: 0n })
  })

  test('a chain without a data fee charges none', async () => {
    expect(await readDataFee(floor.local.chain, ethereum.gas, 1)).toBeUndefined()
  })

  test('the executor refuses a trade that earns less than its data costs, and books the charged fee', {
    timeout: 30_000,
  }, async () => {
    const { chainId } = floor.market.manifest
    const dear = { ...termsOf(chainId), gas: base.gas, maxGasCost: 10n ** 30n }
    const { executor, store } = await floor.executor({ terms: dear })
    await floor.sell(floor.market.manifest.pools[0]?.address as Address, 0.02)
    await floor.mined()
    const detection = floor.detector.detect({
      head: floor.market.head,
      changed: new Set(floor.market.pools.keys()),
      logs: [],
      receivedAt: Date.now(),
    })
    await executor.onDetection(detection)
    const decided = [...store.decisions.values()]
    expect(decided.length).toBeGreaterThan(0)
    expect(decided.every(({ decision }) => decision.numbers.dataFee > 0n)).toBe(true)
    await floor.mined()
  })
})

describe('finality', () => {
  test('by the tag, or by depth if a node does not know the tag', async () => {
    const { chain } = floor.local
    const { number } = await chain.block('latest')
    expect(await finalBlock(chain, polygon.finality, number)).toBe((await chain.block('finalized')).number)
    const without = {
      block: () => Promise.reject(Object.assign(new Error('invalid block tag'), { code: 'rpc-failed' })),
    } as unknown as typeof chain
    expect(await finalBlock(without, polygon.finality, 1_000)).toBe(1_000 - polygon.finality.depthWithoutTag)
    const away = {
      block: () => Promise.reject(Object.assign(new Error('away'), { code: 'chain-unreachable' })),
    } as unknown as typeof chain
    await expect(finalBlock(away, polygon.finality, 1_000)).rejects.toThrow('away')
  })
})

describe('a node with limits', () => {
  test('log queries are split until it answers, and its limit on blocks is respected', async () => {
    const asked: number[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        const { id, params } = JSON.parse(body)
        const [from, to] = [Number(params[0].fromBlock), Number(params[0].toBlock)]
        asked.push(to - from + 1)
        const log = {
          address: `0x${'1'.repeat(40)}`,
          topics: [],
          data: '0x',
          blockHash: '0x',
          transactionHash: '0x',
          transactionIndex: '0x0',
          logIndex: '0x0',
        }
        const blocks = Array.from({ length: to - from + 1 }, (_, index) => ({
          ...log,
          blockNumber: textToHex(from + index),
        }))
        response.setHeader('content-type', 'application/json')
        response.end(
          JSON.stringify({
            jsonrpc: '2.0',
            id,
            ...(to - from + 1 > 10
              ? { error: { code: -32_600, message: 'eth_getLogs is limited to a 10 block range' } }
              : { result: blocks }),
          }),
        )
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const chain = new JsonRpcChain({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    const logs = await chain.logs({ fromBlock: 100, toBlock: 199 })
    expect(logs.map((log) => log.blockNumber)).toEqual(Array.from({ length: 100 }, (_, index) => 100 + index))
    const refused = asked.filter((blocks) => blocks > 10).length
    asked.length = 0
    await chain.logs({ fromBlock: 200, toBlock: 240 })
    expect([refused > 0, asked.every((blocks) => blocks <= 10)]).toEqual([true, true])
    chain.close()
    server.close()
    server.closeAllConnections()
  })
})
