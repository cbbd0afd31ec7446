/** Halting trading in one step, and resuming it in two. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { StatusView } from '../gateway/api/schema.ts'
import { dateTime } from './format.ts'
import { haltTrading, resumeTrading } from './live.ts'
import { TokenField } from './token-field.tsx'

interface TokenProps {
  token: string
  onToken(token: string): void
}

/** Asks for a reason and a token, and halts. */
export function HaltForm({ token, onToken, onDone }: TokenProps & { onDone(): void }) {
  const client = useQueryClient()
  const [reason, setReason] = useState('')
  const halting = useMutation({
    mutationFn: () => haltTrading(reason.trim(), token),
    onSuccess: onDone,
    onSettled: () => client.invalidateQueries({ queryKey: ['status'] }),
  })
  return (
    <section className="card halt">
      <h2>
        Halt trading <small>nothing is signed or sent until somebody resumes</small>
      </h2>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          halting.mutate()
        }}
      >
        <TokenField token={token} onToken={onToken} />
        <label className="field">
          <span>Reason</span>
          <input value={reason} maxLength={500} onChange={(event) => setReason(event.target.value)} />
        </label>
        <p>
          <button type="submit" className="stop" disabled={token === '' || halting.isPending}>
            Halt now
          </button>{' '}
          <button type="button" onClick={onDone}>
            Cancel
          </button>{' '}
          <small className="bad">{halting.error?.message}</small>
        </p>
      </form>
    </section>
  )
}

/** Shows the halt in force, and resumes after a second click. */
export function Halted({ halt, token, onToken }: TokenProps & { halt: NonNullable<StatusView['halt']> }) {
  const client = useQueryClient()
  const [sure, setSure] = useState(false)
  const resuming = useMutation({
    mutationFn: () => resumeTrading(halt.at, token),
    onSettled: () => client.invalidateQueries({ queryKey: ['status'] }),
  })
  return (
    <section className="card halt" role="alert">
      <h2>
        Trading is halted{' '}
        <small>
          by {halt.by} at {dateTime(halt.at)}: {halt.reason}
        </small>
      </h2>
      {sure && <TokenField token={token} onToken={onToken} />}
      <p>
        {sure ? (
          <>
            <button
              type="button"
              disabled={token === '' || resuming.isPending}
              onClick={() => resuming.mutate()}
            >
              Yes, resume trading
            </button>{' '}
            <button type="button" onClick={() => setSure(false)}>
              Stay halted
            </button>{' '}
            <small className="bad">{resuming.error?.message}</small>
          </>
        ) : (
          <button type="button" onClick={() => setSure(true)}>
            Resume…
          </button>
        )}
      </p>
    </section>
  )
}
