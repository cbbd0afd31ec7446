/** Guards the whole book: the limits in force, and halting and resuming trading. */
import * as z from 'zod'
import { standingPolicies } from '../../engine/trading/policies.ts'
import { defineServer } from '../../mcp/define.ts'
import { tokenAmount } from '../../mcp/fields.ts'
import { tradingHalt } from '../../views/halt.ts'

const MAX_REASON = 500

export default defineServer({
  id: 'mcp_risk_manager_server',
  needs: ['halt', 'ledger', 'market'],
  tools: ({ read, write }) => ({
    risk_status: read({
      description:
        'Whether trading is halted, by whom and why; the limits that every trade must meet; how many transactions are not final yet.',
      keywords: 'is trading stopped, kill switch state, risk limits, may we trade',
      input: {},
      output: {
        halt: tradingHalt.schema.nullable().describe('null while trading runs'),
        openTransactions: z.int().describe('transactions of ours that are not final yet'),
        limits: z.object({
          maxInFlight: z.int().describe('transactions that may be sent and not mined at once'),
          maxAgeBlocks: z.int().describe('age from which an opportunity is refused'),
          minNetProfitNative: tokenAmount(),
          maxGasCostNative: tokenAmount(),
        }),
      },
      examples: [{}],
      run: async (_input, { halt, ledger, market }) => {
        const { chainId, genesis } = market.manifest
        const { maxInFlight, maxAgeBlocks, minNetProfit, maxGasCost } = standingPolicies(chainId).risk
        const current = halt.current()
        const open = (await ledger.openTransactions()).filter((each) => each.genesis === genesis)
        const native = (wei: bigint) => market.amount(market.manifest.wrappedNative, wei)
        return {
          halt: current ? tradingHalt.of(current) : null,
          openTransactions: open.length,
          limits: {
            maxInFlight,
            maxAgeBlocks,
            minNetProfitNative: native(minNetProfit),
            maxGasCostNative: native(maxGasCost),
          },
        }
      },
    }),
    halt_trading: write({
      description:
        'Halts trading at once: nothing is signed or sent until resume_trading, also after restarts. Transactions sent before may still be mined, at most until their deadline. The services keep running. An earlier halt stays as it is.',
      keywords:
        'stop trading now, emergency stop, kill switch, pause trading, panic button, stop buying and selling',
      idempotent: true,
      input: {
        reason: z
          .string()
          .trim()
          .min(1)
          .max(MAX_REASON)
          .default('no reason given')
          .describe('why, for the person who decides when to resume'),
      },
      output: { halt: tradingHalt.schema },
      // An example would halt the fleet that runs it.
      examples: [],
      refusals: [[{ reason: '' }, 'bad-argument']],
      run: ({ reason }, { halt, caller }) => ({ halt: tradingHalt.of(halt.halt(caller, reason)) }),
    }),
    resume_trading: write({
      description:
        'Resumes trading after a halt. The caller names the halt that it saw in risk_status: another one is not ended.',
      keywords: 'start trading again, continue trading, unpause, lift the halt',
      critical: true,
      input: {
        haltedAt: z
          .number()
          .min(0)
          .describe('`at` of the halt in force, in ms since 1970: the confirmation that it was read'),
      },
      output: { ended: tradingHalt.schema },
      examples: [],
      refusals: [[{ haltedAt: 1 }, 'conflict']],
      run: ({ haltedAt }, { halt }) => ({ ended: tradingHalt.of(halt.resume(haltedAt)) }),
    }),
  }),
})
