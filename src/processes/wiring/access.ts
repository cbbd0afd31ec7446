/** Access to the services of a process, and its credentials for others. */
import { existsSync, readFileSync } from 'node:fs'
import { IssuerVerifier } from '../../adapters/access/issuer-tokens.ts'
import { ServiceKeys } from '../../adapters/access/service-keys.ts'
import { TokenVerifier } from '../../adapters/access/tokens.ts'
import { type AccessPolicy, hashToken, LOOPBACK_NAMES } from '../../mcp/host/access.ts'
import { files, tokenFiles } from '../run/run-plan.ts'
import type { Environment } from './environment.ts'

export interface ProcessAccess {
  readonly access: AccessPolicy
  /** The same in every process of the fleet; keys are derived from it. */
  readonly secret: string | undefined
  /** Own token, for calls to other services. */
  bearer(): string | undefined
}

/** Access policy and credentials of the process called `name`. */
export function processAccess({ plan, log }: Environment, name: string): ProcessAccess {
  const tokenFile = files(plan.dataFolder).token
  const token = existsSync(tokenFile) ? readFileSync(tokenFile, 'utf8').trim() : undefined
  const verifier = new TokenVerifier(tokenFiles(plan))
  const serviceKeys = new ServiceKeys(files(plan.dataFolder).serviceKeys, name, Date.now)
  const oauth = plan.settings.oauth && {
    issuer: plan.settings.oauth.issuer,
    resource: plan.settings.oauth.audience ?? `http://127.0.0.1:${plan.ports.coordination_system}/mcp`,
  }
  const issuer =
    oauth &&
    new IssuerVerifier({
      issuer: oauth.issuer,
      audience: oauth.resource,
      jwksUrl: plan.settings.oauth?.jwksUrl ?? undefined,
      now: Date.now,
      onNote: (note) => log.warn({}, note),
    })
  const beyondLoopback = !/^(127\.|::1$)/.test(plan.settings.bindHost)
  return {
    secret: token,
    bearer: () => serviceKeys.token(),
    access: {
      tokenHash: token === undefined ? undefined : hashToken(token),
      verify: async (received) => (await verifier.verify(received)) ?? issuer?.verify(received),
      ...(oauth ? { oauth } : {}),
      service: (received) => serviceKeys.verify(received),
      required: plan.settings.authRequired,
      beyondLoopback,
      hostnames: beyondLoopback
        ? [...LOOPBACK_NAMES, plan.settings.bindHost, ...Object.keys(plan.ports)]
        : LOOPBACK_NAMES,
    },
  }
}
