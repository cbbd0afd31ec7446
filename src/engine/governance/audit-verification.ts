/** Verification of the complete audit log against the heads that the signer signed. */
import { verifyMessage } from 'viem'
import type { Address } from '../../amm/index.ts'
import { headDigest, LogCheck } from '../../audit/verify.ts'
import type { AuditHead, AuditLog, Witness } from '../../ports/audit.ts'
import type { Signer } from '../../ports/signer.ts'

const PAGE_SIZE = 5_000

/**
 * Has the signer sign the current head; undefined if the log has not grown beyond `last` entries. Throws the
 * errors of ledger and signer.
 */
export async function witness(
  log: AuditLog,
  signer: Pick<Signer, 'identify'>,
  last: number,
  now: number,
): Promise<Witness | undefined> {
  const head = await log.head()
  if (head.size <= last) return undefined
  const { account, signature } = await signer.identify(headDigest(head))
  const witnessed = { ...head, account, signature, at: now }
  await log.recordWitness(witnessed)
  return witnessed
}

/** Result of a verification. */
export interface AuditReport {
  readonly entries: number
  readonly root: string
  /** Heads that the signer signed. */
  readonly witnesses: number
  /** Entries that the last signed head covers. */
  readonly witnessed: number
  /** Empty if the log is intact. */
  readonly problems: readonly string[]
}

/** Verifies the complete log. Throws the errors of the ledger. */
export async function verifyAudit(
  log: AuditLog,
  onProgress: (checked: number) => void = () => undefined,
): Promise<AuditReport> {
  const kept = log.kept()
  const witnesses = [...(await log.witnesses()), ...kept]
  const problems: string[] = []
  const accounts = new Set(kept.map(({ account }) => account.toLowerCase()))
  const signed: AuditHead[] = []
  for (const each of witnesses) {
    const { size, root, account, signature } = each
    const valid = await verifyMessage({
      address: account as Address,
      message: headDigest({ size, root }),
      signature: signature as Address,
    }).catch(() => false)
    const ours = accounts.size === 0 || accounts.has(account.toLowerCase())
    if (valid && ours) signed.push({ size, root })
    else problems.push(`the head of ${size} entries is not signed by our signer`)
  }
  const head = await log.head()
  const check = new LogCheck([...signed, head])
  for (let from = 0; ; ) {
    const page = await log.entries({ from, limit: PAGE_SIZE })
    check.add(page)
    const last = page.at(-1)
    if (!last) break
    from = last.sequence + 1
    onProgress(check.size)
  }
  return {
    entries: check.size,
    root: check.root,
    witnesses: signed.length,
    witnessed: Math.max(0, ...signed.map(({ size }) => size)),
    problems: [...problems, ...check.problems()],
  }
}
