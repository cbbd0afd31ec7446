import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { rotateServiceKeys, ServiceKeys } from './service-keys.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-service-keys-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let now = 0
let path = ''
let count = 0
beforeEach(() => {
  now = 1_000_000
  path = join(folder, `${count++}.json`)
  rotateServiceKeys(path)
})
const keysOf = (name: string) => new ServiceKeys(path, name, () => now)

test('another process of the fleet learns the name; another fleet does not', () => {
  const token = keysOf('gateway').token() ?? ''
  expect(keysOf('cell').verify(token)).toBe('gateway')
  const other = join(folder, 'other.json')
  rotateServiceKeys(other)
  expect(new ServiceKeys(other, 'cell', () => now).verify(token)).toBeUndefined()
})

test('a token is renewed after a minute and expires after two', () => {
  const keys = keysOf('gateway')
  const first = keys.token() ?? ''
  now += 59_999
  expect(keys.token()).toBe(first)
  now += 1
  expect(keys.token()).not.toBe(first)
  now += 59_999
  expect(keysOf('cell').verify(first)).toBe('gateway')
  now += 1
  expect(keysOf('cell').verify(first)).toBeUndefined()
})

test('a token with another name, signature or shape is refused', () => {
  const token = keysOf('gateway').token() ?? ''
  const [kind, claim = '', signature = ''] = token.split('.')
  const forged = { ...JSON.parse(Buffer.from(claim, 'base64url').toString()), name: 'operator' }
  const other = Buffer.from(JSON.stringify(forged)).toString('base64url')
  for (const bad of [
    `${kind}.${other}.${signature}`,
    `${kind}.${claim}.${signature.slice(0, -4)}`,
    `${kind}.${claim}`,
    `${token}.more`,
    `jwt.${claim}.${signature}`,
    'svc.bm90IGpzb24.AAAA',
  ])
    expect(keysOf('cell').verify(bad), bad).toBeUndefined()
})

test('a token of the previous key is accepted after one rotation, not after two', () => {
  const verifier = keysOf('cell')
  const token = keysOf('gateway').token() ?? ''
  for (const expected of ['gateway', undefined]) {
    rotateServiceKeys(path)
    now += 500
    expect(verifier.verify(token)).toBe(expected)
  }
})

test('without a key there is no token', () => {
  expect(new ServiceKeys(join(folder, 'missing.json'), 'gateway', () => now).token()).toBeUndefined()
})
