/** Whether Redis is fit to carry the fleet's messages: it answers PING and accepts writes. */
import { Redis } from 'ioredis'
import { messageOf } from '../../std/errors.ts'
import { addressOf, failureText } from '../connection-failure.ts'
import { keptProbe, type Probe, ProbeFailure } from './probe.ts'

const PORT = 6_379
const KEY = 'kintsugi:probe'
const KEY_MS = 10_000
const NOT_REDIS = /protocol error|unknown resp type/i
const REFUSED = /^(NOAUTH|WRONGPASS|NOPERM)|invalid (username-)?password|AUTH/i
const NO_WRITES = /^(READONLY|MISCONF|OOM|LOADING|MASTERDOWN|CLUSTERDOWN)/

interface Client {
  readonly redis: Redis
  /** The last error that the client emitted: it names the cause where a call only says "closed". */
  error: Error | undefined
}

/** A probe of the Redis at `url`. */
export function redisProbe(url: string): Probe {
  const at = addressOf(url, PORT)
  return keptProbe<Client>({
    create() {
      const redis = new Redis(url, {
        lazyConnect: true,
        enableReadyCheck: false,
        retryStrategy: () => null,
        maxRetriesPerRequest: 0,
      })
      const client: Client = { redis, error: undefined }
      redis.on('error', (error) => {
        client.error ??= error
      })
      return client
    },
    async ask({ redis }) {
      if (redis.status === 'wait') await redis.connect()
      await redis.ping()
      await redis.set(KEY, '1', 'PX', KEY_MS)
      return 'Redis answers and accepts writes'
    },
    close: ({ redis }) => redis.disconnect(),
    explain: (error, client) => explain(client.error ?? error, at),
    silent: (seconds) =>
      new ProbeFailure(
        `${at} does not answer as Redis within ${seconds}`,
        'check that Redis runs there and is not overloaded',
      ),
  })
}

function explain(error: unknown, at: string): ProbeFailure {
  const message = messageOf(error)
  if (NOT_REDIS.test(message))
    return new ProbeFailure(`${at} does not speak the Redis protocol`, 'name the address of a Redis server')
  if (NO_WRITES.test(message))
    return new ProbeFailure(`Redis refuses writes (${message})`, 'name a Redis that accepts writes')
  if (REFUSED.test(message))
    return new ProbeFailure(`Redis refuses the login (${message})`, 'correct user and password in the URL')
  const found = /connection is closed/i.test(message) ? `${at} closed the connection` : failureText(error, at)
  return new ProbeFailure(found, 'start Redis there, or unset REDIS_URL to use the embedded hub')
}
