/** The audit log as a whole: witnessed by the signer, checked from the first entry to the last. */
import { verifyMessage } from 'viem'
import type { Address } from '../../amm/index.ts'
import { headDigest, LogCheck } from '../../audit/verify.ts'
import type { AuditHead, AuditLog, Witness } from '../../ports/audit.ts'
import type { Signer } from '../../ports/signer.ts'

const PAGE = 5_000

/** Has the signer sign the head as it is now; undefined where it signed that one already. Throws what ledger and signer throw. */
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

export interface AuditReport {
  readonly entries: number
  readonly root: string
  /** Heads that the signer signed, and the entries that the last of them stands for. */
  readonly witnesses: number
  readonly witnessed: number
  /** What is wrong; empty where nothing is. */
  readonly problems: readonly string[]
}

/** Reads everything. Throws what the ledger throws. */
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
    const page = await log.entries({ from, limit: PAGE })
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
