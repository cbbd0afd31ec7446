/**
 * Every error code: its HTTP status, what the caller should do by default, and its meaning. Codes are part of
 * the public contract.
 */

/** What the caller should do with a failure: never try again, try at once, or try later. */
export type Retry = 'never' | 'now' | 'later'

/** Facts of an error code. */
export interface CodeFacts {
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 422 | 429 | 500 | 503 | 504
  readonly retry: Retry
  readonly meaning: string
}

const code = (status: CodeFacts['status'], retry: Retry, meaning: string): CodeFacts => ({
  status,
  retry,
  meaning,
})

const TABLE = {
  // The request.
  'bad-argument': code(
    400,
    'never',
    'An argument is missing, unknown or out of range; the message names it.',
  ),
  'bad-json': code(400, 'never', 'The body is not a JSON object.'),
  'bad-request': code(400, 'never', 'The request is not one that this address accepts.'),
  'bad-amount': code(400, 'never', 'An amount cannot be parsed.'),
  'bad-scope': code(400, 'never', 'A scope does not exist.'),
  'too-large': code(413, 'never', 'The body exceeds the size limit.'),
  'unknown-symbol': code(404, 'never', 'No token has this symbol or address.'),
  'unknown-token': code(404, 'never', 'No token has this symbol or address in the file.'),
  'unknown-tool': code(404, 'never', 'The service has no tool with this name.'),
  'unknown-service': code(404, 'never', 'No service has this id.'),
  'unknown-chain': code(404, 'never', 'No chain profile has this name.'),
  'not-found': code(404, 'never', 'The record, pool or item does not exist.'),
  conflict: code(409, 'never', 'The item exists already, or changed since it was read.'),
  // Access.
  'token-required': code(401, 'never', 'The call needs a token.'),
  'bad-token': code(401, 'never', 'The token is invalid, expired, revoked or for another audience.'),
  'insufficient-scope': code(403, 'never', 'The token does not allow this call.'),
  'approval-needed': code(403, 'never', 'A person has to approve the call first.'),
  'approval-refused': code(403, 'never', 'A person refused the call.'),
  'not-confirmed': code(422, 'never', 'The operation needs a confirmation, which was not given.'),
  'forbidden-host': code(403, 'never', 'The Host header names no host of this fleet.'),
  'forbidden-origin': code(403, 'never', 'The Origin header names a foreign origin.'),
  refused: code(422, 'never', 'The service declines an operation that would be unsafe.'),
  // Limits and time.
  'too-many-calls': code(429, 'later', 'The service or the token runs at its limit of calls.'),
  busy: code(503, 'later', 'The service has as much work, or as many unread answers, as it takes.'),
  overloaded: code(503, 'later', 'The machine is overloaded; the call was not started.'),
  'quota-used-up': code(503, 'later', "The node's daily call budget is used up."),
  cancelled: code(422, 'never', 'The caller cancelled the call.'),
  'deadline-exceeded': code(504, 'later', 'The call did not finish within its deadline.'),
  'ambiguous-outcome': code(409, 'later', 'The call started; its outcome is unknown.'),
  // Readiness and reachability.
  'not-ready': code(503, 'later', 'The service has not collected its data yet.'),
  stopping: code(503, 'later', 'The process is shutting down.'),
  'not-running': code(503, 'later', 'No fleet runs on this data folder.'),
  'market-not-ready': code(503, 'later', 'The market has not been read yet.'),
  'service-unreachable': code(503, 'later', 'The service does not answer.'),
  'server-unreachable': code(503, 'later', 'A connected MCP server does not answer.'),
  'chain-unreachable': code(503, 'later', 'No node of the chain answers.'),
  'ledger-unreachable': code(503, 'later', 'The database does not answer.'),
  'bus-unreachable': code(503, 'later', 'The message bus does not answer.'),
  'signer-unreachable': code(503, 'later', 'The signer does not answer.'),
  'relay-unreachable': code(503, 'later', 'A private relay does not answer.'),
  'engine-unreachable': code(503, 'later', 'The container engine does not answer.'),
  'not-available': code(422, 'never', 'This chain or configuration lacks something that the call needs.'),
  'not-supported': code(422, 'never', 'The operation is not supported here.'),
  'not-built': code(422, 'never', 'The service is in the catalogue but not built yet.'),
  'not-scalable': code(422, 'never', 'Only one instance of the service may run.'),
  // Trading.
  'nothing-pays': code(422, 'later', 'No opportunity pays at this block.'),
  'no-loan': code(422, 'later', 'No lender offers this loan now.'),
  'no-route': code(422, 'never', 'No path of pools takes this amount.'),
  'no-price': code(422, 'later', 'No chain of pools connects the token to the quote token.'),
  'no-pools': code(422, 'never', 'No pool can be traded on this chain.'),
  'signer-refused': code(422, 'never', 'The signer refuses the intent; the message names the rule.'),
  'relay-refused': code(422, 'never', 'A private relay refuses the transaction.'),
  'rpc-failed': code(422, 'never', 'The node refuses the request; the message says why.'),
  'block-not-found': code(404, 'later', 'The node does not have this block.'),
  'wrong-chain': code(422, 'never', 'The node serves another chain than the profile names.'),
  'chain-replaced': code(422, 'later', 'The local chain was recreated.'),
  'not-ours': code(422, 'never', 'The transaction is not from this account.'),
  // MCP and connected servers.
  'input-not-possible': code(
    422,
    'never',
    'The tool needs input from the client, and the client cannot be asked.',
  ),
  'input-refused': code(422, 'never', 'The person at the client declined the input.'),
  'not-approved': code(403, 'never', 'The definition of the connected server is not approved.'),
  'tool-failed': code(422, 'never', 'A connected or remote tool reports a failure.'),
  'intended-failure': code(422, 'never', 'The tool fails on purpose, for conformance tests.'),
  // Files, configuration, start and stop.
  'bad-settings': code(422, 'never', 'Settings have values that cannot be used.'),
  'bad-surroundings': code(
    422,
    'never',
    'Something that the fleet needs is missing, unreachable or wrong; the message lists all of it.',
  ),
  'bad-config': code(422, 'never', 'A configuration file cannot be used.'),
  'binary-missing': code(422, 'never', 'A program that the fleet needs is not installed.'),
  'port-taken': code(422, 'never', 'Another program listens on a port of the fleet.'),
  'key-invalid': code(422, 'never', 'The private key or keystore cannot be used.'),
  'file-unreadable': code(422, 'never', 'The file cannot be read.'),
  'file-exists': code(422, 'never', 'The file exists already.'),
  'snapshot-invalid': code(422, 'never', 'The file is not a valid market snapshot.'),
  'recording-invalid': code(422, 'never', 'The file is not a valid market recording.'),
  'dependency-cycle': code(422, 'never', 'Services depend on each other in a circle.'),
  'deployment-failed': code(422, 'never', 'A contract could not be deployed on the local chain.'),
  'engine-failed': code(422, 'never', 'The container engine refuses the request.'),
  'database-setup-failed': code(422, 'never', 'The embedded database cannot be set up.'),
  'ledger-failed': code(500, 'never', 'The database refuses a statement.'),
  'keeper-ended': code(503, 'never', 'The keeper of the fleet ended.'),
  'restart-timeout': code(504, 'later', 'A restarted service is not ready within its time.'),
  'stop-timeout': code(504, 'later', 'The fleet did not stop within its time.'),
  internal: code(500, 'later', 'A fault of the service itself.'),
} as const satisfies Record<string, CodeFacts>

/** An error code of this project. */
export type Code = keyof typeof TABLE

/** The facts of every code. */
export const CODES: Readonly<Record<Code, CodeFacts>> = TABLE

/** Whether a text is one of our error codes. */
export const isCode = (text: string): text is Code => Object.hasOwn(TABLE, text)
