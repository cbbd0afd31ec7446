/**
 * The signer's shell: requests in, signatures or refusals out. It sees typed intents only, never a raw hash.
 */
import { keccak256 } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { encodeExecute, intent as intentSchema } from '../intents/index.ts'
import type { Hex } from '../ports/chain.ts'
import { type ErrorReport, KintsugiError, toErrorReport } from '../std/errors.ts'
import type { SignerJournal } from './journal.ts'
import { refusalOf, type SignerPolicy } from './policy.ts'

export type SignerRequest =
  | { id: number; op: 'account' }
  | { id: number; op: 'sign'; intent: unknown }
  | { id: number; op: 'identify'; digest: unknown }
export type SignerAnswer =
  | { id: number; account: string }
  | { id: number; raw: Hex; hash: Hex }
  | { id: number; account: string; signature: Hex }
  | { id: number; error: ErrorReport }

export interface SignerParts {
  account: PrivateKeyAccount
  /** Identity for relays. */
  readonly identity: PrivateKeyAccount
  policy(): SignerPolicy
  /** Why trading is halted; undefined while it runs. */
  halted(): string | undefined
  journal: SignerJournal
  now(): number
}

/** Answers one request. Errors become error answers, so that a bad request does not affect others. */
export async function answer(request: SignerRequest, parts: SignerParts): Promise<SignerAnswer> {
  try {
    if (request.op === 'account') return { id: request.id, account: parts.account.address.toLowerCase() }
    if (request.op === 'identify') {
      const { digest } = request
      if (typeof digest !== 'string' || !/^0x[0-9a-f]{64}$/.test(digest))
        throw new KintsugiError('signer-refused', 'digest: expected 32 bytes as 64 hexadecimal digits')
      // Signed as a text message: it can never be a transaction, and the key holds no funds.
      return {
        id: request.id,
        account: parts.identity.address,
        signature: await parts.identity.signMessage({ message: digest }),
      }
    }
    const parsed = intentSchema.safeParse(request.intent)
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      throw new KintsugiError('signer-refused', `not an intent: ${issue?.path.join('.')}: ${issue?.message}`)
    }
    const intent = parsed.data
    const halted = parts.halted()
    if (halted !== undefined)
      throw new KintsugiError('signer-refused', `nothing is signed: trading is ${halted}`)
    const now = parts.now()
    const refusal = refusalOf(intent, parts.policy(), parts.journal.state(now), now)
    if (refusal) throw new KintsugiError('signer-refused', `refused by the signer's policy: ${refusal}`)
    const fees = {
      chainId: intent.chainId,
      nonce: intent.nonce,
      gas: intent.gasLimit,
      maxFeePerGas: intent.maxFeePerGas,
      maxPriorityFeePerGas: intent.maxPriorityFeePerGas,
    }
    const transaction =
      intent.type === 'execute'
        ? { type: 'eip1559' as const, ...fees, to: intent.executor, data: encodeExecute(intent), value: 0n }
        : { type: 'eip1559' as const, ...fees, to: intent.account, data: '0x' as const, value: 0n }
    // Durable before the signature is returned: a crash may lose a signature, never its cost. Both run at the
    // same time.
    const durable = parts.journal.append({
      at: now,
      nonce: intent.nonce,
      wei: intent.gasLimit * intent.maxFeePerGas,
      lease: intent.lease,
    })
    const [raw] = await Promise.all([parts.account.signTransaction(transaction), durable])
    return { id: request.id, raw, hash: keccak256(raw) }
  } catch (error) {
    return { id: request.id, error: toErrorReport(error) }
  }
}
