/**
 * Messages of clients of 2025 within their session other than calls: answers, cancellations, log level,
 * subscriptions.
 */
import type { Directory } from './directory.ts'
import type { Session, Sessions } from './sessions.ts'
import { type JsonRpcRequest, targetOf } from './target.ts'
import type { ToolSelection } from './tool-selection.ts'

/**
 * The response to such a message; undefined for any other message. Throws `not-found` for a subscription to
 * an unknown resource.
 */
export async function answerInSession(
  message: JsonRpcRequest,
  session: Session,
  { sessions, directory, selection }: { sessions: Sessions; directory: Directory; selection: ToolSelection },
): Promise<Response | undefined> {
  const { id, method, params = {} } = message
  const accepted = () => new Response(null, { status: 202 })
  const done = () => Response.json({ jsonrpc: '2.0', id, result: {} })
  if (method === undefined) {
    const { result, error } = message as { result?: unknown; error?: { message?: string } }
    sessions.deliver({ session: session.id, id, answer: error ? { error } : { result } })
    return accepted()
  }
  const watched = session.state.watched ?? []
  switch (method) {
    case 'notifications/cancelled':
      sessions.deliver({ session: session.id, id: params.requestId as string | number })
      return accepted()
    case 'logging/setLevel':
      await sessions.change(session, { logLevel: String(params.level) })
      return done()
    case 'resources/subscribe':
      targetOf({ ...message, method: 'resources/read' }, selection, directory)
      await sessions.change(session, { watched: [...new Set([...watched, String(params.uri)])] })
      return done()
    case 'resources/unsubscribe':
      await sessions.change(session, { watched: watched.filter((uri) => uri !== params.uri) })
      return done()
    default:
      return undefined
  }
}
