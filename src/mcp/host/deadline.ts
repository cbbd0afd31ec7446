/**
 * The end of a call: its caller disconnects, its deadline passes, or the task that it became is cancelled.
 */
import { KintsugiError } from '../../std/errors.ts'
import type { Detach } from './tasks.ts'

/** The conditions that end a call before its work ends. */
export interface DeadlineOptions {
  /** Name of the tool, for error messages. */
  readonly name: string
  readonly timeoutMs: number
  /** Aborted when the caller disconnects. */
  readonly signal?: AbortSignal | undefined
  /** Receives the function that replaces caller and deadline by the cancellation of a task. */
  readonly onDetach?: ((detach: Detach) => void) | undefined
}

/**
 * Runs `work` until it ends, or rejects with `cancelled` or `deadline-exceeded` (retry later). The signal
 * passed to `work` is aborted with the same error.
 */
export async function withDeadline<T>(
  { name, timeoutMs, signal: caller, onDetach }: DeadlineOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => undefined)
  const end = (error: KintsugiError) => {
    controller.abort(error)
    ended.reject(error)
  }
  const cancel = () => end(new KintsugiError('cancelled', `${name} was cancelled by its caller`))
  const expire = () =>
    end(
      new KintsugiError('deadline-exceeded', `${name} did not finish within ${timeoutMs} ms`, {
        retry: 'later',
        hint: 'raise REQUEST_TIMEOUT, or request less',
      }),
    )
  const timer = setTimeout(expire, timeoutMs)
  const release = () => {
    clearTimeout(timer)
    caller?.removeEventListener('abort', cancel)
  }
  if (caller?.aborted) cancel()
  else caller?.addEventListener('abort', cancel, { once: true })
  onDetach?.((task) => {
    release()
    task.addEventListener('abort', cancel, { once: true })
  })
  try {
    return await Promise.race([work(controller.signal), ended.promise])
  } finally {
    release()
  }
}
