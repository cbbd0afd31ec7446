/** The signer's process, and the relays that authenticate with it. */
import { endpointName } from '../../adapters/chain/failover.ts'
import { JsonRpcRelay } from '../../adapters/chain/relay.ts'
import { ProcessSigner } from '../../adapters/signer/process-signer.ts'
import type { Relay } from '../../ports/relay.ts'
import type { Signer } from '../../ports/signer.ts'
import { KintsugiError } from '../../std/errors.ts'
import { processCommand, signerEnvironment } from '../run/command.ts'
import type { Environment } from './environment.ts'

/**
 * Starts the signer's process. In paper mode no process holds a key: every request throws `signer-refused`.
 */
export function openSigner({ plan, log }: Environment): Signer {
  if (plan.mode === 'paper') return noSigner
  const signer = new ProcessSigner({
    ...processCommand('signer'),
    env: signerEnvironment(plan.dataFolder),
    ...(process.env.KINTSUGI_KEY_FD ? { keyFd: Number(process.env.KINTSUGI_KEY_FD) } : {}),
  })
  log.debug({}, 'signer started')
  return signer
}

const refuse = () => Promise.reject(new KintsugiError('signer-refused', 'nothing is signed in paper mode'))
const noSigner: Signer = { account: refuse, sign: refuse, identify: refuse, close: () => undefined }

/** The private relays of RELAY_URLS. The signer identifies us to them with a key that holds no funds. */
export function openRelays({ plan }: Environment, signer: Signer): Relay[] {
  return (process.env.RELAY_URLS as string).split(',').map(
    (url) =>
      new JsonRpcRelay({
        url: url.trim(),
        name: endpointName(url.trim()),
        timeoutMs: plan.settings.requestTimeoutMs,
        identify: (digest) => signer.identify(digest),
      }),
  )
}
