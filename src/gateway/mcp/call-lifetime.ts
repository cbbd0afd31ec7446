/** How long a call may run: until its client disconnects or cancels it, or its deadline passes. */
import type { ServerResponse } from 'node:http'

export interface CallLifetime {
  /** Aborted at the end of the lifetime. */
  readonly signal: AbortSignal
  /** Removes the timer and the listeners; to be called once the answer is complete. */
  release(): void
}

export interface LifetimeLimits {
  readonly timeoutMs?: number
  readonly cancelled?: AbortSignal | undefined
}

/**
 * `env`: the bindings of the HTTP adapter. Reading the adapter's own signal would build a complete web
 * request, which costs more than the rest of the hop.
 */
export function lifetimeOf(
  request: Request,
  env: unknown,
  { timeoutMs, cancelled }: LifetimeLimits = {},
): CallLifetime {
  const outgoing = (env as { outgoing?: ServerResponse } | undefined)?.outgoing
  if (!outgoing) {
    const signals = [
      request.signal,
      ...(timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)]),
      ...(cancelled ? [cancelled] : []),
    ]
    return { signal: AbortSignal.any(signals), release: () => undefined }
  }
  const controller = new AbortController()
  const expire = () => controller.abort(new DOMException('the call exceeded its deadline', 'TimeoutError'))
  const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs)
  cancelled?.addEventListener('abort', () => controller.abort(cancelled.reason), { once: true })
  const onClose = () => {
    clearTimeout(timer)
    if (!outgoing.writableFinished) controller.abort()
  }
  outgoing.once('close', onClose)
  const release = () => {
    clearTimeout(timer)
    outgoing.off('close', onClose)
  }
  return { signal: controller.signal, release }
}
