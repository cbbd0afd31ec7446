/** Private relays: bundles and private transactions reach their block unseen, or cost nothing. */
import { keccak256 } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { JsonRpcRelay } from '../src/adapters/chain/relay.ts'
import type { Address } from '../src/amm/index.ts'
import type { Opportunity } from '../src/arbitrage/index.ts'
import { ethereum } from '../src/engine/chains/ethereum.ts'
import { polygon } from '../src/engine/chains/polygon.ts'
import type { ChainProfile } from '../src/engine/chains/profile.ts'
import { termsOf } from '../src/engine/chains/profiles.ts'
import { PendingSearch } from '../src/engine/trading/pending.ts'
import { rpc } from '../src/localnet/rpc.ts'
import type { Hex } from '../src/ports/chain.ts'
import { RelayStub } from './support/relay.ts'
import { TradingFloor, testSigner } from './support/trading.ts'

let floor: TradingFloor
beforeAll(async () => {
  floor = await TradingFloor.open()
}, 60_000)
afterAll(() => floor?.close())

describe('private relays', () => {
  let stub: RelayStub
  beforeAll(async () => {
    stub = await RelayStub.start(floor.local.url)
  })
  afterAll(() => stub?.close())
  const relay = () =>
    new JsonRpcRelay({
      url: stub.url,
      name: 'a relay',
      timeoutMs: 5_000,
      identify: (digest) => testSigner().identify(digest),
    })
  const terms = (submission: ChainProfile['submission']) => ({
    ...termsOf(floor.market.manifest.chainId),
    submission,
  })
  const detect = () =>
    floor.detector.detect({
      head: floor.market.head,
      changed: new Set(floor.market.pools.keys()),
      logs: [],
      receivedAt: Date.now(),
    })
  const pooled = async () => {
    const { pending, queued } = await rpc<{
      pending: Record<string, object>
      queued: Record<string, object>
    }>(floor.local.url, 'txpool_content')
    return [...Object.values(pending), ...Object.values(queued)].flatMap((of) => Object.keys(of)).length
  }

  test('a trade is sent as a bundle, is not public, and is mined in its block', {
    timeout: 30_000,
  }, async () => {
    const { executor, sent, notes } = await floor.executor({
      terms: terms(ethereum.submission),
      relays: [relay()],
    })
    await floor.sell(floor.market.manifest.pools[3]?.address as Address, 0.03)
    await floor.mined()
    await executor.onHead(floor.market.head)
    await executor.onDetection(detect())
    expect(notes).toEqual([])
    expect(sent.length).toBeGreaterThan(0)
    expect(await pooled()).toBe(0)
    await floor.mined(() => stub.mine())
    const receipts = await Promise.all(sent.map(({ hash }) => floor.local.chain.receipt(hash)))
    expect(receipts[0]?.succeeded).toBe(true)
    expect(stub.methods).toContain('eth_sendBundle')
    expect([...stub.askers]).toEqual([(await testSigner().identify(keccak256('0x'))).account])
    await settle(executor)
  })

  test('a trade that would revert is not included, costs nothing, and frees its nonce', {
    timeout: 30_000,
  }, async () => {
    const { executor, store, sent } = await floor.executor({
      terms: terms(ethereum.submission),
      relays: [relay()],
    })
    await floor.sell(floor.market.manifest.pools[4]?.address as Address, 0.03)
    await floor.mined()
    await executor.onHead(floor.market.head)
    const detection = detect()
    await executor.onDetection({ ...detection, opportunities: detection.opportunities.slice(0, 1) })
    expect(sent.length).toBe(1)
    const [nonce] = [...store.transactions.keys()]
    const operator = floor.market.manifest.execution?.operator as Address
    const balance = await floor.local.chain.balance(operator, 'latest')
    // Someone else trades the gap away first, in public.
    await floor.take(detection.opportunities[0] as Opportunity)
    await floor.mined()
    for (let i = 0; i < 3; i++) {
      await floor.mined(() => stub.mine())
      await executor.onHead(floor.market.head)
    }
    expect(await floor.local.chain.receipt(sent[0]?.hash as Hex)).toBeUndefined()
    expect(await floor.local.chain.balance(operator, 'latest')).toBe(balance)
    expect([executor.open, store.transactions.size]).toEqual([0, 0])
    // The next one has the same nonce.
    await floor.sell(floor.market.manifest.pools[5]?.address as Address, 0.03)
    await floor.mined()
    await executor.onHead(floor.market.head)
    const next = detect()
    await executor.onDetection({ ...next, opportunities: next.opportunities.slice(0, 1) })
    expect([...store.transactions.keys()]).toEqual([nonce])
    await floor.mined(() => stub.mine())
    expect((await floor.local.chain.receipt(sent[1]?.hash as Hex))?.succeeded).toBe(true)
    await settle(executor)
  })

  test('a trade behind a pending transaction is sent with it as one bundle, and both are adjacent in the block', {
    timeout: 30_000,
  }, async () => {
    const { executor, sent } = await floor.executor({ terms: terms(ethereum.submission), relays: [relay()] })
    const found: Parameters<typeof executor.onDetection>[0][] = []
    const { chain } = floor.local
    const search = new PendingSearch({
      chain,
      market: floor.market,
      detector: floor.detector,
      now: Date.now,
      onFound: (detection) => found.push(detection),
      onNote: () => undefined,
    })
    const stopPending = search.start()
    const stopChanges = floor.market.subscribe((change) => search.onBlock(change))
    await floor.sell(floor.market.manifest.pools[0]?.address as Address, 0.0001)
    await floor.mined()
    await executor.onHead(floor.market.head)
    detect()
    const target = await floor.sell(floor.market.manifest.pools[2]?.address as Address, 0.03)
    for (let i = 0; found.length === 0 && i < 500; i++)
      await new Promise((resolve) => setTimeout(resolve, 10))
    expect(found[0]?.follows).toBe(target)
    await executor.onDetection({
      ...(found[0] as (typeof found)[number]),
      opportunities: (found[0]?.opportunities ?? []).slice(0, 1),
    })
    expect(sent.length).toBe(1)
    expect(stub.methods.at(-1)).toBe('eth_sendBundle')
    await floor.mined(() => stub.mine())
    const [theirs, ours] = await Promise.all([chain.receipt(target), chain.receipt(sent[0]?.hash as Hex)])
    expect([ours?.succeeded, ours?.blockNumber]).toEqual([true, theirs?.blockNumber])
    expect(ours?.transactionIndex).toBe((theirs?.transactionIndex as number) + 1)
    stopPending()
    stopChanges()
    await settle(executor)
  })

  test('a private transaction is tried for several blocks', { timeout: 30_000 }, async () => {
    const { executor, sent } = await floor.executor({ terms: terms(polygon.submission), relays: [relay()] })
    await floor.sell(floor.market.manifest.pools[6]?.address as Address, 0.03)
    await floor.mined()
    await executor.onHead(floor.market.head)
    const detection = detect()
    await executor.onDetection({ ...detection, opportunities: detection.opportunities.slice(0, 1) })
    expect(stub.methods.at(-1)).toBe('eth_sendPrivateTransaction')
    expect(await pooled()).toBe(0)
    // A block of another builder, then one of our relay's builder.
    await floor.mined()
    await floor.mined(() => stub.mine())
    expect((await floor.local.chain.receipt(sent[0]?.hash as Hex))?.succeeded).toBe(true)
    await settle(executor)
  })

  test('a refusal is reported with its reason; a wrong signature is refused', async () => {
    stub.refusal = 'not today'
    await expect(relay().sendBundle(['0x01'], 10 ** 9)).rejects.toMatchObject({
      code: 'relay-refused',
      message: 'a relay refused eth_sendBundle: not today',
    })
    stub.refusal = undefined
    const impostor = new JsonRpcRelay({
      url: stub.url,
      name: 'a relay',
      timeoutMs: 5_000,
      identify: async () => ({ account: `0x${'1'.repeat(40)}`, signature: '0x00' }),
    })
    await expect(impostor.sendPrivateTransaction('0x01', 10 ** 9)).rejects.toThrow(
      /signature is not by the address/,
    )
    const away = new JsonRpcRelay({
      url: 'http://127.0.0.1:9',
      name: 'a relay',
      timeoutMs: 500,
      identify: (digest) => testSigner().identify(digest),
    })
    await expect(away.sendBundle(['0x01'], 1)).rejects.toMatchObject({ code: 'relay-unreachable' })
  })

  async function settle(executor: {
    onHead(head: typeof floor.market.head): Promise<void>
    readonly open: number
  }): Promise<void> {
    for (let i = 0; i < 4; i++) {
      await floor.mined()
      await executor.onHead(floor.market.head)
    }
    expect(executor.open).toBe(0)
  }
})
