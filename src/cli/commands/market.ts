/** Commands on market files and recordings, and fault injection. */
import { type Command, Option } from 'commander'
import { data, json, whole } from './options.ts'

const MAX_SEED = 4_294_967_295
const SMALLEST_UNITS = "in the token's smallest unit"
const SYMBOL_OR_ADDRESS = 'symbol or address'

const hops = (standard: number) =>
  new Option('--max-hops <n>', 'maximum route length, in pools').argParser(whole(2, 6)).default(standard)

export function marketCommands(program: Command): void {
  const market = program
    .command('market')
    .description('analyse market files (market-snapshot/1), record and replay markets')
  fileCommands(market)
  recordingCommands(market)
}

function fileCommands(market: Command): void {
  market
    .command('scan')
    .description('find profitable cycles, each at its exact optimal size, best first')
    .argument('<file>')
    .option('--start <token...>', `only cycles that start with one of these tokens (${SYMBOL_OR_ADDRESS})`)
    .addOption(hops(4))
    .option('--limit <n>', 'number of cycles to list', whole(1, 100_000), 20)
    .addOption(json())
    .action(async (file, options) => (await import('../market.ts')).scan(file, options))
  market
    .command('quote')
    .description('quote an exact input in one pool')
    .argument('<file>')
    .requiredOption('--pool <address>', 'the pool')
    .requiredOption('--in <token>', `input token (${SYMBOL_OR_ADDRESS})`)
    .option('--out <token>', 'output token; required if the pool has more than two tokens')
    .requiredOption('--amount <n>', SMALLEST_UNITS)
    .addOption(json())
    .action(async (file, options) => (await import('../market.ts')).quote(file, options))
  market
    .command('route')
    .description('find the best route between two tokens, split over paths if that gives more')
    .argument('<file>')
    .requiredOption('--from <token>', SYMBOL_OR_ADDRESS)
    .requiredOption('--to <token>', SYMBOL_OR_ADDRESS)
    .requiredOption('--amount <n>', SMALLEST_UNITS)
    .addOption(hops(3))
    .option('--max-paths <n>', 'maximum number of paths', whole(1, 16), 6)
    .addOption(json())
    .action(async (file, options) => (await import('../market.ts')).route(file, options))
  market
    .command('bound')
    .description('compute the upper bound of the profit over all pools, and the share cycles capture')
    .argument('<file>')
    .requiredOption('--numeraire <token>', `token to value profit in (${SYMBOL_OR_ADDRESS})`)
    .addOption(hops(4))
    .addOption(json())
    .action(async (file, options) => (await import('../market.ts')).bound(file, options))
}

function recordingCommands(market: Command): void {
  market
    .command('record')
    .description("record the running fleet's market, block by block")
    .argument('<file>')
    .option('--blocks <n>', 'number of blocks', whole(1, 10_000_000), 300)
    .addOption(data())
    .addOption(json())
    .action(async (file, options) => (await import('../replay.ts')).recordMarket(file, options))
  market
    .command('replay')
    .description('evaluate the strategy on a recording: trades, profit, drawdown, missed profit by reason')
    .argument('<file>')
    .addOption(
      new Option(
        '--position <where>',
        'fill before (first) or after (last) the transactions of the next block',
      )
        .choices(['first', 'last'])
        .default('last'),
    )
    .option('--report <page>', 'write an HTML report')
    .addOption(json())
    .action(async (file, options) => (await import('../replay.ts')).replayMarket(file, options))
}

export function chaosCommands(program: Command): void {
  const chaos = program.command('chaos').description('inject faults into a running fleet (local chain only)')
  chaos
    .command('list')
    .description('list the scenarios')
    .addOption(json())
    .action(async (options) => (await import('../chaos.ts')).listScenarios(options))
  chaos
    .command('run')
    .description('run a scenario; reports recovery times, lost reads, trades, ledger against chain')
    .argument('<scenario>')
    .option('--seconds <n>', 'duration', whole(1, 86_400), 60)
    .option('--reads <n>', 'reads through the gateway per second', whole(0, 1_000), 100)
    .option('--include-gateway', 'the gateway may be a victim; the client then repeats broken reads')
    .option('--seed <n>', 'the same seed selects the same victims', whole(0, MAX_SEED), 1)
    .addOption(data())
    .addOption(json())
    .action(async (scenario, options) => (await import('../chaos.ts')).runChaos(scenario, options))
}
