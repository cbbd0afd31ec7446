/** `kintsugi audit`: verifies and exports the log of all calls. */
import { PostgresAuditLog } from '../adapters/ledger/audit-log.ts'
import { connectionPool } from '../adapters/ledger/pool.ts'
import { verifyAudit } from '../engine/governance/audit-verification.ts'
import type { AuditEntry } from '../ports/audit.ts'
import { files } from '../processes/run/run-plan.ts'
import { ledgerUrl } from '../processes/wiring/database.ts'
import { color, count } from './format.ts'
import { type DataOptions, runningPlan } from './run.ts'

const PAGE = 5_000

function open(options: DataOptions): PostgresAuditLog {
  const plan = runningPlan(options)
  return new PostgresAuditLog(connectionPool(ledgerUrl(plan), 1), files(plan.dataFolder).witnesses)
}

/** Checks the log against its Merkle root and the signed heads; exit code 1 if something differs. */
export async function verify(options: DataOptions): Promise<void> {
  const log = open(options)
  try {
    const report = await verifyAudit(log)
    if (options.json) console.log(JSON.stringify(report))
    else {
      const ok = report.problems.length === 0
      console.log(`${ok ? color.green('✓') : color.red('✗')} ${report.entries} entries, root ${report.root}`)
      console.log(
        report.witnesses === 0
          ? `  ${color.yellow('!')} no signed head yet: nothing proves these entries unchanged`
          : `  ${count(report.witnesses, 'signed head')}; the last one covers ${report.witnessed} entries`,
      )
      for (const problem of report.problems) console.log(`${color.red('✗')} ${problem}`)
    }
    if (report.problems.length > 0) process.exitCode = 1
  } finally {
    await log.close()
  }
}

/** Prints one entry per line, as it was hashed, with its sequence number. */
export async function exportAudit(options: DataOptions & { from: number; limit?: number }): Promise<void> {
  const log = open(options)
  try {
    let from = options.from
    for (let left = options.limit ?? Number.MAX_SAFE_INTEGER; left > 0; ) {
      const page = await log.entries({ from, limit: Math.min(PAGE, left) })
      const last = page.at(-1)
      if (!last) return
      process.stdout.write(
        page
          .map(
            ({ sequence, text }) => `${JSON.stringify({ sequence, ...(JSON.parse(text) as AuditEntry) })}\n`,
          )
          .join(''),
      )
      left -= page.length
      from = last.sequence + 1
    }
  } finally {
    await log.close()
  }
}
