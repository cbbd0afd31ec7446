/** Pending approvals: the call, its preview, and the two buttons. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { ApprovalView } from '../gateway/api/schema.ts'
import { decide, useApprovals } from './live.ts'
import { TokenField } from './token-field.tsx'

export function Approvals({
  now,
  token,
  onToken,
}: {
  now: number
  token: string
  onToken(token: string): void
}) {
  const { data } = useApprovals()
  const waiting = (data ?? []).filter(({ state, expiresAt }) => state === 'pending' && expiresAt > now)
  if (waiting.length === 0) return null
  return (
    <section className="card approvals">
      <h2>
        Waiting for you <small>calls that need approval</small>
      </h2>
      <TokenField token={token} onToken={onToken} />
      {waiting.map((approval) => (
        <Waiting key={approval.digest} approval={approval} token={token} now={now} />
      ))}
    </section>
  )
}

function Waiting({ approval, token, now }: { approval: ApprovalView; token: string; now: number }) {
  const client = useQueryClient()
  const deciding = useMutation({
    mutationFn: (approve: boolean) => decide(approval, approve, token),
    onSettled: () => client.invalidateQueries({ queryKey: ['approvals'] }),
  })
  const minutes = Math.max(0, Math.ceil((approval.expiresAt - now) / 60_000))
  return (
    <article>
      <h3>
        {approval.service}__{approval.tool} <small>for {approval.caller}</small>
      </h3>
      <dl>
        <dt>arguments</dt>
        <dd>
          <pre>{JSON.stringify(approval.arguments, null, 1)}</pre>
        </dd>
        {approval.preview !== null && (
          <>
            <dt>preview</dt>
            <dd>
              <pre>{JSON.stringify(approval.preview, null, 1)}</pre>
            </dd>
          </>
        )}
      </dl>
      <p>
        <button
          type="button"
          disabled={token === '' || deciding.isPending}
          onClick={() => deciding.mutate(true)}
        >
          Approve
        </button>{' '}
        <button
          type="button"
          disabled={token === '' || deciding.isPending}
          onClick={() => deciding.mutate(false)}
        >
          Refuse
        </button>{' '}
        <small className={deciding.error ? 'bad' : ''}>
          {deciding.error ? deciding.error.message : token === '' ? 'enter a token' : `${minutes} min left`}
        </small>
      </p>
    </article>
  )
}
