/** Settings from the environment and `.env`, validated once; all problems are reported together. */
import { join } from 'node:path'
import * as z from 'zod'
import { CHAINS, type ChainName, rpcVariable } from '../engine/chains/names.ts'
import { LOG_LEVELS, type LogLevel } from '../ports/service.ts'
import { KintsugiError } from '../std/errors.ts'
import { readDotEnv } from './dot-env.ts'

const flag = z
  .enum(['true', 'false', '1', '0', 'yes', 'no'], { error: 'expected true or false' })
  .transform((text) => text === 'true' || text === '1' || text === 'yes')
const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `expected a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `expected a whole number from ${min} to ${max}`)
const url = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol.slice(0, -1)),
      `expected a URL that begins with ${protocols.map((name) => `${name}://`).join(' or ')}`,
    )
    .refine(
      (text) => !sendsNoCredentials(protocols) || !hasCredentials(text),
      'expected a URL without user and password, which cannot be sent to it; a key belongs in the path',
    )

/** Requests of HTTP and WebSocket do not take credentials from their URL. */
const sendsNoCredentials = (protocols: readonly string[]) => protocols.includes('http')
const hasCredentials = (text: string) =>
  URL.canParse(text) && (new URL(text).username !== '' || new URL(text).password !== '')

/** One or several URLs, separated by commas. */
const urls = (...protocols: string[]) =>
  z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(url(...protocols)).min(1))
    .transform((urls) => urls.join(','))
    .optional()

type RpcVariable = `${Uppercase<ChainName>}_RPC_URL`

const schema = z.object({
  ...(Object.fromEntries(
    CHAINS.map((chain) => [rpcVariable(chain), urls('http', 'https', 'ws', 'wss')]),
  ) as Record<RpcVariable, ReturnType<typeof urls>>),
  RELAY_URLS: urls('http', 'https'),
  EXCLUDED_TOKENS: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim().toLowerCase()))
    .pipe(z.array(z.string().regex(/^0x[0-9a-f]{40}$/, 'expected addresses, separated by commas')))
    .default([]),
  FOLLOW_PENDING: flag.optional(),
  RPC_CALLS_PER_SECOND: whole(0, 100_000).default(0),
  RPC_CALLS_PER_DAY: whole(0, 1_000_000_000).default(0),
  DATABASE_URL: url('postgres', 'postgresql').optional(),
  REDIS_URL: url('redis', 'rediss').optional(),
  AMQP_URL: url('amqp', 'amqps').optional(),
  LOG_LEVEL: z
    .string()
    .transform((text) => text.toLowerCase().replace('warning', 'warn').replace('critical', 'fatal'))
    .pipe(
      z.enum(LOG_LEVELS, {
        error: 'expected TRACE, DEBUG, INFO, WARN, ERROR or FATAL',
      }),
    )
    .default('info'),
  HEALTH_CHECK_INTERVAL: whole(1, 3_600).default(30),
  AUTO_RESTART: flag.default(true),
  MAX_CONCURRENT_OPERATIONS: whole(1, 10_000).default(10),
  REQUEST_TIMEOUT: whole(1, 3_600).default(30),
  BATCH_SIZE: whole(1, 10_000).default(100),
  AUTH: z.enum(['open', 'required'], { error: 'expected open or required' }).default('open'),
  OTEL_EXPORTER_OTLP_ENDPOINT: url('http', 'https').optional(),
  OAUTH_ISSUER: url('http', 'https').optional(),
  OAUTH_AUDIENCE: url('http', 'https').optional(),
  OAUTH_JWKS_URL: url('http', 'https').optional(),
  BIND_HOST: z
    .string()
    .regex(/^[0-9a-fA-F.:]+$/, 'expected a numeric IP address')
    .default('127.0.0.1'),
})

export interface Settings {
  /** URLs of nodes by chain name, separated by commas; the first healthy one is used. */
  rpcUrls: Readonly<Record<string, string>>
  /** URLs of private relays, separated by commas. */
  relayUrls: string | undefined
  /**
   * Whether to follow pending transactions on a real chain. It costs calls: off by default if a call budget
   * is set.
   */
  followPending: boolean
  /** Addresses of tokens that are not traded. */
  excludedTokens: readonly string[]
  /** Call budget of each endpoint; 0 is unlimited. */
  rpcBudget: { perSecond: number; perDay: number }
  databaseUrl: string | undefined
  redisUrl: string | undefined
  amqpUrl: string | undefined
  logLevel: LogLevel
  healthCheckIntervalMs: number
  autoRestart: boolean
  maxConcurrentOperations: number
  requestTimeoutMs: number
  batchSize: number
  authRequired: boolean
  /** OTLP collector for spans and metrics; null: none. */
  telemetryUrl: string | null
  /** External issuer of accepted tokens. `audience`: default the gateway's own address. */
  oauth: { issuer: string; audience: string | null; jwksUrl: string | null } | null
  bindHost: string
}

const MAX_HOST = 60

/** The variables that are read from `.env`; the key's line is read by the signer alone. */
export const SETTING_NAMES = Object.keys(schema.shape)

/** Settings: the environment, then `.env`, then defaults. Throws `bad-settings` with one line per problem. */
export function readSettings(env: NodeJS.ProcessEnv, folder: string): Settings {
  const fromFile = readDotEnv(join(folder, '.env'), SETTING_NAMES)
  const values = Object.fromEntries(
    SETTING_NAMES.map((name) => [name, env[name] || fromFile[name]]).filter(
      ([, value]) => value !== undefined && value !== '',
    ),
  )
  const parsed = schema.safeParse(values)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0])
      return `${name}: ${issue.message} (got ${JSON.stringify(/URLS?$/.test(name) ? (values[name] as string).split(',').map(redactUrl).join(',') : values[name])})`
    })
    throw new KintsugiError(
      'bad-settings',
      `the environment has ${problems.length === 1 ? 'a value' : `${problems.length} values`} that cannot be used:\n  ${problems.join('\n  ')}`,
      {
        hint: 'fix them in the environment or in .env; nothing was started',
      },
    )
  }
  const s = parsed.data
  return {
    rpcUrls: Object.fromEntries(
      CHAINS.flatMap((chain) => {
        const urls = s[rpcVariable(chain) as RpcVariable]
        return urls === undefined ? [] : [[chain, urls]]
      }),
    ),
    relayUrls: s.RELAY_URLS,
    excludedTokens: s.EXCLUDED_TOKENS,
    followPending: s.FOLLOW_PENDING ?? (s.RPC_CALLS_PER_SECOND === 0 && s.RPC_CALLS_PER_DAY === 0),
    rpcBudget: { perSecond: s.RPC_CALLS_PER_SECOND, perDay: s.RPC_CALLS_PER_DAY },
    databaseUrl: s.DATABASE_URL,
    redisUrl: s.REDIS_URL,
    amqpUrl: s.AMQP_URL,
    logLevel: s.LOG_LEVEL,
    healthCheckIntervalMs: s.HEALTH_CHECK_INTERVAL * 1_000,
    autoRestart: s.AUTO_RESTART,
    maxConcurrentOperations: s.MAX_CONCURRENT_OPERATIONS,
    requestTimeoutMs: s.REQUEST_TIMEOUT * 1_000,
    batchSize: s.BATCH_SIZE,
    authRequired: s.AUTH === 'required',
    telemetryUrl: s.OTEL_EXPORTER_OTLP_ENDPOINT ?? null,
    oauth:
      s.OAUTH_ISSUER === undefined
        ? null
        : { issuer: s.OAUTH_ISSUER, audience: s.OAUTH_AUDIENCE ?? null, jwksUrl: s.OAUTH_JWKS_URL ?? null },
    bindHost: s.BIND_HOST,
  }
}

/**
 * A URL without its secrets: user, password, query and the path of a keyed endpoint. Of a text that is none,
 * its scheme and what may be its host.
 */
export function redactUrl(text: string): string {
  if (!URL.canParse(text)) {
    const [, scheme = '', host = ''] = /^([a-z]+:\/\/)?([^/?#]*)/i.exec(text) ?? []
    if (text.includes('@')) return `${scheme}…@…`
    return `${scheme}${host.slice(0, MAX_HOST)}${host.length < text.length - scheme.length ? '/…' : ''}`
  }
  const parsed = new URL(text)
  return `${parsed.protocol}//${parsed.host}${parsed.pathname.length > 1 ? '/…' : ''}`
}
