import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readDotEnv } from './dot-env.ts'
import { readSettings, redactUrl } from './settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-settings-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('variables that are not set have defaults', () => {
  expect(readSettings({}, folder)).toEqual({
    rpcUrls: {},
    excludedTokens: [],
    followPending: true,
    relayUrls: undefined,
    rpcBudget: { perSecond: 0, perDay: 0 },
    databaseUrl: undefined,
    redisUrl: undefined,
    amqpUrl: undefined,
    logLevel: 'info',
    healthCheckIntervalMs: 30_000,
    autoRestart: true,
    maxConcurrentOperations: 10,
    requestTimeoutMs: 30_000,
    batchSize: 100,
    authRequired: false,
    telemetryUrl: null,
    oauth: null,
    bindHost: '127.0.0.1',
  })
})

test("the seed's names and meanings", () => {
  const env = {
    LOG_LEVEL: 'WARNING',
    HEALTH_CHECK_INTERVAL: '5',
    AUTO_RESTART: 'false',
    MAX_CONCURRENT_OPERATIONS: '3',
    REQUEST_TIMEOUT: '7',
    BATCH_SIZE: '10',
    AUTH: 'required',
    POLYGON_RPC_URL: 'https://polygon.example/key',
  }
  expect(readSettings(env, folder)).toMatchObject({
    logLevel: 'warn',
    healthCheckIntervalMs: 5_000,
    autoRestart: false,
    maxConcurrentOperations: 3,
    requestTimeoutMs: 7_000,
    batchSize: 10,
    authRequired: true,
    telemetryUrl: null,
    oauth: null,
    rpcUrls: { polygon: 'https://polygon.example/key' },
  })
})

test('all problems are reported at once, without the secrets in URLs', () => {
  try {
    readSettings(
      {
        BATCH_SIZE: 'many',
        LOG_LEVEL: 'loud',
        DATABASE_URL: 'mysql://user:hunter2@host/db',
        REQUEST_TIMEOUT: '0',
        POLYGON_RPC_URL: 'http://user:hunter2@127.0.0.1:8545/v2/hunter2',
      },
      folder,
    )
    expect.unreachable()
  } catch (error) {
    const { message } = error as Error
    for (const part of [
      '5 values',
      'BATCH_SIZE: expected a whole number from 1 to 10000 (got "many")',
      'LOG_LEVEL: expected TRACE',
      'DATABASE_URL: expected a URL that begins with postgres',
      'REQUEST_TIMEOUT',
      'POLYGON_RPC_URL: expected a URL without user and password, which cannot be sent to it; a key belongs in the path (got "http://127.0.0.1:8545/…")',
    ])
      expect(message).toContain(part)
    expect(message).not.toContain('hunter2')
  }
  expect(redactUrl('https://user:secret@host/v2/APIKEY?x=1')).toBe('https://host/…')
  expect(redactUrl('polygon.example/v2/APIKEY')).toBe('polygon.example/…')
  expect(redactUrl('https://polygon.example:99999/v2/APIKEY')).toBe('https://polygon.example:99999/…')
  expect(redactUrl('https://user:secret@polygon.example:99999/v2')).toBe('https://…@…')
  expect(redactUrl('redis//u:secret@h')).toBe('…@…')
  expect(redactUrl('localhost')).toBe('localhost')
})

test('the environment takes precedence over .env, and the key is not read', () => {
  writeFileSync(
    join(folder, '.env'),
    '# comment\nBATCH_SIZE=20\nexport LOG_LEVEL="DEBUG"\nARBITRAGE_PRIVATE_KEY=0xsecret\nnonsense\n',
  )
  expect(readSettings({ BATCH_SIZE: '30' }, folder)).toMatchObject({ batchSize: 30, logLevel: 'debug' })
  expect(JSON.stringify(readSettings({}, folder))).not.toContain('secret')
  expect(readDotEnv(join(folder, '.env'), ['LOG_LEVEL'])).toEqual({ LOG_LEVEL: 'DEBUG' })
})
