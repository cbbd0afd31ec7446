import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { unknownSettings, unknownSettingWords } from './unknown-settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-unknown-'))
afterEach(() => rmSync(join(folder, '.env'), { force: true }))

const texts = (env: NodeJS.ProcessEnv, file = '') => {
  writeFileSync(join(folder, '.env'), file)
  return unknownSettings(env, folder).map(
    (unknown) => `${unknown.name} (${unknown.source}) ${unknownSettingWords(unknown).advice}`,
  )
}

test('a misspelt name is reported with the name that is meant, in the environment and in .env', () => {
  expect(texts({ POLYGON_RPC_UR: 'x' })).toEqual([
    'POLYGON_RPC_UR (environment) did you mean POLYGON_RPC_URL?',
  ])
  expect(texts({}, 'REDIS_ULR=redis://h\n# DATABASE_UR=1\nexport polygon_rpc_url=http://h\n')).toEqual([
    'REDIS_ULR (.env) did you mean REDIS_URL?',
    'polygon_rpc_url (.env) did you mean POLYGON_RPC_URL?',
  ])
})

test('a name of .env that resembles none is reported without a guess; a part of a name with the whole', () => {
  expect(texts({}, 'POLYGON_GAS_STATION=1\n')).toEqual([
    'POLYGON_GAS_STATION (.env) .env.example lists all settings',
  ])
  expect(texts({}, 'AWS_REGION=eu\nRPC_URL=http://h\n')).toEqual([
    'AWS_REGION (.env) .env.example lists all settings',
    'RPC_URL (.env) did you mean POLYGON_RPC_URL or ETHEREUM_RPC_URL or ARBITRUM_RPC_URL?',
  ])
})

test('a setting of the environment only is reported in .env', () => {
  expect(texts({}, 'KINTSUGI_HOME=/h\n')).toEqual(['KINTSUGI_HOME (.env) set it in the environment'])
})

test('known names, the key, and names of other programs in the environment are not reported', () => {
  const names = 'PATH HOME DATABASE_URL ARBITRAGE_PRIVATE_KEY KINTSUGI_HOME DATABASE_HOST LOG_FORMAT NODE_ENV'
  expect(texts(Object.fromEntries(names.split(' ').map((name) => [name, 'x'])))).toEqual([])
  expect(texts({}, 'DATABASE_URL=postgres://h\nARBITRAGE_PRIVATE_KEY=0x1\n')).toEqual([])
})
