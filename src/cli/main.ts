/** The command line: `kintsugi up|down|status|health|info|logs|restart|call|test|market`. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { CHAINS } from '../engine/chains/names.ts'
import { PROFILES } from '../fleet/catalogue/profiles.ts'
import { KintsugiError, toErrorReport } from '../std/errors.ts'
import { packageVersion } from '../std/package-root.ts'
import { color } from './format.ts'

const whole = (least: number, most: number) => (text: string) => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}`)
  return value
}
const json = () => new Option('--json', 'print data as JSON')
const data = () => new Option('--data <dir>', 'the data folder').env('KINTSUGI_HOME').default('.kintsugi')

const program = new Command('kintsugi')
  .description('A self-healing fleet of MCP servers and agents for flash-loan arbitrage')
  .version(packageVersion())
  .showHelpAfterError('(add --help for what there is)')
  .configureHelp({ showGlobalOptions: true })

program
  .command('up')
  .description('start the fleet and show what it does, until Ctrl-C')
  .addOption(new Option('--profile <name>', 'which services').choices([...PROFILES]).default('complete'))
  .addOption(
    new Option('--isolation <kind>', 'share processes by duty, or one process each')
      .choices(['cell', 'process'])
      .default('cell'),
  )
  .option('--port-offset <n>', 'move every port by this much', whole(0, 56_000), 0)
  .addOption(data())
  .option('--fresh', 'begin with an empty data folder')
  .option('--detach', 'return once everything is ready; stop it with `kintsugi down`')
  .addOption(
    new Option(
      '--chain <name>',
      'the chain (default: the one whose NAME_RPC_URL is set, else the embedded one)',
    ).choices(['local', ...CHAINS]),
  )
  .option('--market <file>', 'build the local market from a market-snapshot/1 file')
  .option('--seed <n>', 'seed of the local market and its traders', whole(0, 4_294_967_295), 1)
  .option('--block-seconds <n>', 'seconds between blocks of the local chain', whole(1, 60), 2)
  .option('--orders <n>', 'mean number of orders of the local traders per block', whole(0, 20), 4)
  .addOption(
    new Option('--traders <onoff>', 'local traders (default: on, off with --market)').choices(['on', 'off']),
  )
  .option(
    '--competitors <n>',
    'competing bots on the local chain (default: 1, none with --market)',
    whole(0, 8),
  )
  .addOption(json())
  .action(async (options) => (await import('./up.ts')).up(options))

program
  .command('down')
  .description('stop the fleet')
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./control.ts')).down(options))
program
  .command('status')
  .description('every service, and what was earned')
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./control.ts')).status(options))
program
  .command('health')
  .description('is everything well? exit code 0 only if so')
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./control.ts')).health(options))
program
  .command('info')
  .description('the catalogue, the data folder, versions')
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./control.ts')).info(options))
program
  .command('logs')
  .description('the log of a service, or of everything')
  .argument('[service]')
  .option('-n, --lines <n>', 'this many last lines', whole(1, 100_000), 50)
  .option('-f, --follow', 'go on as more is written')
  .addOption(data())
  .addOption(json())
  .action(async (service, options) => (await import('./logs.ts')).logs(service, options))
program
  .command('restart')
  .description('restart the process of a service')
  .argument('<service>')
  .addOption(data())
  .addOption(json())
  .action(async (service, options) => (await import('./control.ts')).restart(service, options))
program
  .command('stop')
  .description('stop a service, and what shares its process, until it is started again')
  .argument('<service>')
  .option('--for <seconds>', 'start it again after so long', whole(1, 86_400))
  .addOption(data())
  .addOption(json())
  .action(async (service, options) => (await import('./control.ts')).stopService(service, options))
program
  .command('start')
  .description('start a service that was stopped, or that is set aside')
  .argument('<service>')
  .addOption(data())
  .addOption(json())
  .action(async (service, options) => (await import('./control.ts')).startService(service, options))
program
  .command('incidents')
  .description('what went wrong lately, and what was done about it')
  .option('-n, --lines <n>', 'this many last ones', whole(1, 200), 30)
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./control.ts')).incidents(options))
program
  .command('call')
  .description('call a tool: kintsugi call mcp_price_feed_server price_query \'{"symbol":"ETH"}\'')
  .argument('<service>')
  .argument('<tool>')
  .argument('[arguments]', 'a JSON object', '{}')
  .addOption(data())
  .addOption(json())
  .action(async (service, tool, given, options) =>
    (await import('./control.ts')).call(service, tool, given, options),
  )
program
  .command('test')
  .description('check the running system: every service, every example call, the books against the chain')
  .option('--quick', 'health and readiness only')
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./system-test.ts')).systemTest(options))

program
  .command('mcp')
  .description('the whole fleet as one MCP server on stdin and stdout, for clients that start one')
  .addOption(
    new Option('--tools <which>', 'list all tools, or a few that find and call them').choices([
      'all',
      'search',
    ]),
  )
  .option('--profile <name>', 'list the tools of a profile as well: trading, operator')
  .addOption(data())
  .action(async (options) => (await import('./mcp.ts')).mcp(options))
program
  .command('connect')
  .description("write the fleet into a client's configuration, keeping what is there")
  .addArgument(new Argument('<client>', 'whose').choices(['claude', 'claude-code', 'cursor', 'vscode']))
  .option('--file <path>', "the configuration file (default: the client's own)")
  .option('--tools <which>', 'all, or search (default)')
  .option('--profile <name>', 'trading, operator')
  .option('--print', 'show what would be written, and write nothing')
  .addOption(data())
  .addOption(json())
  .action(async (client, options) => (await import('./connect.ts')).connect(client, options))

const token = program.command('token').description('who may do what: tokens with scopes and an end')
token
  .command('issue')
  .description('make a token and show it once')
  .argument('<subject>', 'who it is for')
  .option('--role <name>', 'reader, operator, trader or admin')
  .option('--scope <scope...>', 'read, write or spend, with :server or :server__tool where it is narrower')
  .option('--hours <n>', 'how long it is valid', Number, 720)
  .option('--calls-per-minute <n>', 'how often it may call', Number)
  .addOption(data())
  .addOption(json())
  .action(async (subject, options) => (await import('./token.ts')).issueToken(subject, options))
token
  .command('list')
  .description('the tokens there are, newest first')
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./token.ts')).listTokens(options))
token
  .command('revoke')
  .description('end a token at once')
  .argument('<id>')
  .addOption(data())
  .addOption(json())
  .action(async (id, options) => (await import('./token.ts')).revokeToken(id, options))
token
  .command('rotate')
  .description('sign with a new key from now on')
  .option('--revoke', 'end every earlier token')
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./token.ts')).rotateKeys(options))

const approvals = program.command('approvals').description('calls that wait for a person, and which do')
approvals
  .command('list', { isDefault: true })
  .description('what waits, and the policy (this is done where nothing else is said)')
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./approvals.ts')).listApprovals(options))
approvals
  .command('policy')
  .description('change which calls need a person')
  .option('--tools <tool...>', '* for all that may, a server, server__tool, or none')
  .option('--at-client', 'who sits at the client may approve there')
  .option('--no-at-client', 'only the dashboard and the command line may')
  .option('--minutes <n>', 'how long an approval is waited for, and good', Number)
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./approvals.ts')).changePolicy(options))
for (const [name, approve, what] of [
  ['approve', true, 'let a call happen that waits for a person'],
  ['refuse', false, 'refuse a call that waits for a person'],
] as const)
  program
    .command(name)
    .description(what)
    .argument('<id>', 'as `kintsugi approvals` shows it')
    .option('--yes', 'without asking again')
    .addOption(data())
    .addOption(json())
    .action(async (id, options) => (await import('./approvals.ts')).decide(id, approve, options))

const audit = program.command('audit').description('the record of every call')
audit
  .command('verify')
  .description(
    'check the whole record against its heads and their signatures; exit code 0 only if nothing was changed',
  )
  .addOption(data())
  .addOption(json())
  .action(async (options) => (await import('./audit.ts')).verify(options))
audit
  .command('export')
  .description('the entries, one JSON object per line')
  .option('--from <n>', 'the first one', whole(0, 9_007_199_254_740_991), 0)
  .option('--limit <n>', 'at most so many', whole(1, 9_007_199_254_740_991), 9_007_199_254_740_991)
  .addOption(data())
  .action(async (options) => (await import('./audit.ts')).exportAudit(options))

const chaos = program
  .command('chaos')
  .description('harm done on purpose to a running fleet on the local chain, and what it cost')
chaos
  .command('list')
  .description('the scenarios there are')
  .addOption(json())
  .action(async (options) => (await import('./chaos.ts')).listScenarios(options))
chaos
  .command('run')
  .description('run a scenario and report: recovery times, reads lost, trades, ledger against chain')
  .argument('<scenario>')
  .option('--seconds <n>', 'for so long', whole(1, 86_400), 60)
  .option('--reads <n>', 'reads through the gateway per second', whole(0, 1_000), 100)
  .option(
    '--include-gateway',
    'the gateway may be hit too; the client then repeats a read whose connection broke',
  )
  .option('--seed <n>', 'the same seed chooses the same victims', whole(0, 4_294_967_295), 1)
  .addOption(data())
  .addOption(json())
  .action(async (scenario, options) => (await import('./chaos.ts')).runChaos(scenario, options))

const market = program.command('market').description('a laboratory on markets in files (market-snapshot/1)')
const hops = (standard: number) =>
  new Option('--max-hops <n>', 'longest route, in pools').argParser(whole(2, 6)).default(standard)
market
  .command('scan')
  .description('the cycles that pay, each at its exact best size, best first')
  .argument('<file>')
  .option('--start <token...>', 'only cycles that start at one of these (symbol or address)')
  .addOption(hops(4))
  .option('--limit <n>', 'list this many', whole(1, 100_000), 20)
  .addOption(json())
  .action(async (file, options) => (await import('./market.ts')).scan(file, options))
market
  .command('quote')
  .description('what one pool gives for an exact input, or why it refuses')
  .argument('<file>')
  .requiredOption('--pool <address>', 'the pool')
  .requiredOption('--in <token>', 'the token that goes in (symbol or address)')
  .option('--out <token>', 'the token that comes out; needed where the pool has more than two')
  .requiredOption('--amount <n>', "in the token's smallest unit")
  .addOption(json())
  .action(async (file, options) => (await import('./market.ts')).quote(file, options))
market
  .command('route')
  .description('the best way from one token to another, split over several paths where that gives more')
  .argument('<file>')
  .requiredOption('--from <token>', 'symbol or address')
  .requiredOption('--to <token>', 'symbol or address')
  .requiredOption('--amount <n>', "in the token's smallest unit")
  .addOption(hops(3))
  .option('--max-paths <n>', 'most paths to split over', whole(1, 16), 6)
  .addOption(json())
  .action(async (file, options) => (await import('./market.ts')).route(file, options))
market
  .command('bound')
  .description('the most that all pools together could pay out, and what cycles take of it')
  .argument('<file>')
  .requiredOption('--numeraire <token>', 'the token to value it in (symbol or address)')
  .addOption(hops(4))
  .addOption(json())
  .action(async (file, options) => (await import('./market.ts')).bound(file, options))

market
  .command('record')
  .description("write down every block's changes of the running fleet's market, to be replayed")
  .argument('<file>')
  .option('--blocks <n>', 'end after so many blocks', whole(1, 10_000_000), 300)
  .addOption(data())
  .addOption(json())
  .action(async (file, options) => (await import('./replay.ts')).recordMarket(file, options))
market
  .command('replay')
  .description(
    'judge the strategy on a recording: trades, profit, drawdown, what was missed and why, who won it instead',
  )
  .argument('<file>')
  .addOption(
    new Option('--position <where>', 'filled before or after everyone else in the next block')
      .choices(['first', 'last'])
      .default('last'),
  )
  .option('--report <page>', 'write an HTML page with plots')
  .addOption(json())
  .action(async (file, options) => (await import('./replay.ts')).replayMarket(file, options))

try {
  await program.parseAsync()
} catch (error) {
  const report = toErrorReport(error)
  if (process.argv.includes('--json')) console.error(JSON.stringify({ error: report }))
  else {
    console.error(`${color.red('error')} ${report.message}`)
    if (report.hint) console.error(`${color.dim('hint')}  ${report.hint}`)
    if (!(error instanceof KintsugiError) && process.env.KINTSUGI_DEBUG) console.error(error)
  }
  process.exitCode = 1
}
