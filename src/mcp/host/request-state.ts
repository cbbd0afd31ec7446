/** Request states of elicitation are single-use: a state resumes one call, once. */
import type { Records } from '../../ports/records.ts'
import { KintsugiError } from '../../std/errors.ts'

/** How long consumed states are remembered: as long as a state is valid. */
const STATE_TTL_MS = 600_000

/** Marks a request state as used; does nothing without one. Throws `bad-argument` if it was used before. */
export async function consumeState(
  records: () => Promise<Records>,
  nonce: string | undefined,
  now: number,
): Promise<void> {
  if (nonce === undefined) return
  if (!(await (await records()).create('state', nonce, {}, now + STATE_TTL_MS)))
    throw new KintsugiError(
      'bad-argument',
      'requestState: expected an unused state (this one was used already)',
      {
        hint: 'start the call again without requestState',
      },
    )
}
