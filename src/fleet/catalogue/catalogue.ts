/**
 * The catalogue of all services. Ids and ports are public and never change. Every list of services is
 * generated from it.
 */

/** Categories of services, with their titles. */
export const CATEGORIES = {
  trading: 'Core trading & finance',
  infrastructure: 'Blockchain & infrastructure',
  analytics: 'AI & analytics',
  coordination: 'Coordination & management',
  development: 'Development & testing',
  agents: 'AI agents',
  main: 'Main services',
} as const
/** The id of a category. */
export type Category = keyof typeof CATEGORIES

/** A service of the catalogue. */
export interface CatalogueEntry {
  readonly id: string
  readonly kind: 'server' | 'agent' | 'main'
  readonly category: Category
  readonly port: number
  /** Its purpose, in a few words. */
  readonly duty: string
}

const row = (
  kind: CatalogueEntry['kind'],
  category: Category,
  id: string,
  port: number,
  duty: string,
): CatalogueEntry => ({ id, kind, category, port, duty })

/** All services. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  row(
    'server',
    'trading',
    'aave_flash_loan_mcp_server',
    8053,
    'The Aave V3 lender, read from its pool: premium, caps, flags, liquidity',
  ),
  row(
    'server',
    'trading',
    'mcp_arbitrage_server',
    8073,
    'Finds arbitrage: cycles over the live pool graph, each with its exact best size',
  ),
  row(
    'server',
    'trading',
    'mcp_flash_loan_server',
    8085,
    'Any lender: Aave V3, Balancer V2, Uniswap V3 flash, Uniswap V2 flash swap',
  ),
  row(
    'server',
    'trading',
    'dex_aggregator_mcp_server',
    8062,
    'Best execution across pools, split if that pays',
  ),
  row(
    'server',
    'trading',
    'mcp_price_feed_server',
    8091,
    'One robust price per symbol: liquidity-weighted median over pools, checked against an oracle if one exists, with confidence and age',
  ),
  row(
    'server',
    'trading',
    'real_time_price_mcp_server',
    8110,
    'Prices as a stream: one row per pool and pair, as they change',
  ),
  row(
    'server',
    'trading',
    'profit_optimizer_mcp_server',
    8108,
    'What a trade would really earn: net of premium, gas as a distribution, chance of inclusion',
  ),
  row('server', 'trading', 'mcp_liquidity_server', 8087, 'Depth'),
  row(
    'server',
    'trading',
    'mcp_portfolio_server',
    8090,
    'Holdings and earnings, from the ledger and the chain, booked only at finality',
  ),
  row('server', 'trading', 'risk_management_mcp_server', 8111, 'Judges one transaction before it is sent'),
  row('server', 'trading', 'mcp_risk_manager_server', 8094, 'Guards the whole book'),
  row('server', 'trading', 'working_flash_loan_mcp', 8123, 'The whole trade behind one door'),
  row('server', 'infrastructure', 'mcp_blockchain_server', 8075, 'The chain as data'),
  row('server', 'infrastructure', 'evm_mcp_server', 8065, 'EVM operations'),
  row('server', 'infrastructure', 'mcp_database_server', 8079, 'The ledger in SQL, read-only role'),
  row('server', 'infrastructure', 'mcp_cache_manager_server', 8076, 'The cache'),
  row(
    'server',
    'infrastructure',
    'mcp_filesystem_server',
    8083,
    'Files inside configured roots and nowhere else',
  ),
  row('server', 'infrastructure', 'mcp_notification_server', 8089, 'Notifies people'),
  row('server', 'infrastructure', 'mcp_task_queue_server', 8102, 'The task queue'),
  row('server', 'infrastructure', 'mcp_monitoring_server', 8088, 'Machine and service metrics'),
  row('server', 'infrastructure', 'monitoring_mcp_server', 8105, "The business's health"),
  row(
    'server',
    'infrastructure',
    'mcp_security_server',
    8095,
    'Finds weaknesses: dependencies, secrets, tool definitions, contracts and tokens, audit log',
  ),
  row('server', 'infrastructure', 'mcp_auth_manager_server', 8074, 'Who may do what'),
  row('server', 'infrastructure', 'mcp_file_processor_server', 8084, 'What is in a file'),
  row(
    'server',
    'infrastructure',
    'mcp_web_scraper_server',
    8103,
    'The web, politely and safely: robots.txt, SSRF guard, size and time caps',
  ),
  row('server', 'infrastructure', 'mcp_api_client_server', 8072, 'Any HTTP API from its OpenAPI document'),
  row(
    'server',
    'infrastructure',
    'mcp_integration_bridge',
    8086,
    "Brings other people's MCP servers (stdio or HTTP) into the fleet, supervised, pinned and namespaced",
  ),
  row('server', 'analytics', 'mcp_data_analyzer_server', 8128, 'Statistics over any table of ours'),
  row('server', 'analytics', 'mcp_defi_analyzer_server', 8081, 'DeFi from on-chain state'),
  row(
    'server',
    'analytics',
    'training_mcp_server',
    8115,
    'Trains and runs the models: inclusion probability, gas price, opportunity lifetime',
  ),
  row(
    'server',
    'analytics',
    'mcp_server_trainer',
    8047,
    'Learns what is normal for each service (latency, memory, errors) so that healing can tell early',
  ),
  row(
    'server',
    'analytics',
    'mcp_training_coordinator',
    8127,
    'Runs training as queued jobs and decides which model serves',
  ),
  row(
    'server',
    'analytics',
    'ai_enhanced_dashboard',
    8093,
    'Says what matters now, in words, every claim linked to its figure',
  ),
  row(
    'server',
    'analytics',
    'enhanced_mcp_dashboard_with_chat',
    8064,
    'The chat: sessions over the whole fleet, with or without a language model',
  ),
  row(
    'server',
    'analytics',
    'dashboard_enhanced_mcp_dashboard_with_chat',
    8061,
    "The user's own panels, saved, shown in the dashboard and as MCP Apps inside chat clients",
  ),
  row(
    'server',
    'analytics',
    'discord_mcp_bot',
    8063,
    'Discord: /status /metrics /opportunities /restart, by signed HTTP interactions and by gateway',
  ),
  row(
    'server',
    'analytics',
    'langchain_mcp_orchestrator',
    8050,
    "One LangGraph agent over the fleet's tools, resumable, with human approval",
  ),
  row(
    'server',
    'coordination',
    'mcp_coordinator_server',
    8077,
    'Main coordination: splits a job over servers and agents and joins the results',
  ),
  row(
    'server',
    'coordination',
    'mcp_enhanced_coordinator',
    8082,
    'The registry and the task board with priorities',
  ),
  row('server', 'coordination', 'unified_mcp_coordinator', 8116, 'Dependencies'),
  row('server', 'coordination', 'unified_mcp_manager', 8119, 'The whole system at once'),
  row('server', 'coordination', 'enhanced_mcp_server_manager', 8049, 'Load and scale'),
  row('server', 'coordination', 'mcp_server_manager', 8098, 'One service'),
  row(
    'server',
    'coordination',
    'mcp_project_organizer',
    8092,
    'Named selections of the fleet (complete, test-complete, self-healing, yours)',
  ),
  row('server', 'coordination', 'online_mcp_coordinator', 8106, 'Many hosts'),
  row(
    'server',
    'coordination',
    'simple_mcp_orchestrator',
    8052,
    'Workflows as data: steps, conditions, retries, compensation',
  ),
  row('server', 'coordination', 'mcp_simple_startup', 8101, 'The start itself'),
  row('server', 'coordination', 'mcp_shared_utilities', 8100, 'Small exact tools'),
  row('server', 'coordination', 'mcp_status_check', 8051, 'The state of services now'),
  row(
    'server',
    'coordination',
    'quick_mcp_check',
    8109,
    'Everything alive? All ports in parallel, in well under a second',
  ),
  row('server', 'coordination', 'check_mcp_status', 8056, 'Does it speak MCP? Negotiates, lists and calls'),
  row('server', 'coordination', 'verify_mcp_system', 8122, 'Proves the system works, end to end'),
  row(
    'server',
    'coordination',
    'verify_mcp_organization',
    8121,
    'Proves that files agree: configuration, catalogue, generated artefacts, what runs',
  ),
  row('server', 'coordination', 'organize_mcp_servers', 8107, 'Finds the right tool among hundreds'),
  row('server', 'coordination', 'start_mcp_servers', 8114, 'Starts in waves'),
  row(
    'server',
    'coordination',
    'identify_mcp_servers',
    8069,
    'What MCP servers are on this machine? Reads client configurations (Claude, Cursor, VS Code) and fingerprints local ports',
  ),
  row('server', 'coordination', 'autodiscover_mcp_agents', 8054, 'Finds agents by their A2A cards'),
  row(
    'server',
    'coordination',
    'fix_all_local_mcp_servers',
    8066,
    'Diagnoses and repairs what keeps a service down: port taken, stale lock, bad configuration, missing binary',
  ),
  row('server', 'coordination', 'create_final_unified_mcp_manager', 8060, 'Generates deployments'),
  row(
    'server',
    'coordination',
    'unified_mcp_integration_manager',
    8118,
    'External services and their credentials: Discord, RPC providers, relays, model providers, SMTP',
  ),
  row(
    'server',
    'coordination',
    'unified_mcp_orchestration_manager',
    8120,
    'Where it runs: processes, Docker or Kubernetes',
  ),
  row('server', 'coordination', 'simplified_mcp_coordinator_fixed', 8113, 'Coordination primitives'),
  row('server', 'development', 'mcp_server_base', 8097, 'The reference of the protocol surface'),
  row('server', 'development', 'mcp_server_template', 8099, 'Writes a new server'),
  row(
    'server',
    'development',
    'working_mcp_server_template',
    8124,
    'A worked example with state: a token watch list with alerts',
  ),
  row('server', 'development', 'simple_mcp_server', 8112, 'Smoke test'),
  row(
    'server',
    'development',
    'minimal-mcp-server',
    8104,
    'The smallest server there can be; the baseline of every benchmark',
  ),
  row(
    'server',
    'development',
    'mcp_server',
    8096,
    'Tools without code: each defined in JSON as an HTTP call, an SQL query or a composition',
  ),
  row(
    'server',
    'development',
    'mcp_connection_test',
    8125,
    'Can a client reach it? test_connection (r: DNS, TCP, TLS, protocol revision, latency), test_all (r)',
  ),
  row(
    'server',
    'development',
    'mcp_dependency_test',
    8126,
    'Are all dependencies available? check_dependencies (r: database, cache, queue, chain, binaries, packages), dependency_report (r)',
  ),
  row('server', 'development', 'mcp-health-check', 8070, 'Health with memory'),
  row(
    'server',
    'development',
    'mcp-stability-report',
    8071,
    'MTBF, MTTR, restarts, flapping, leaks, error budget',
  ),
  row(
    'server',
    'development',
    'check-mcp-status',
    8055,
    'Status for other monitors: OK/WARNING/CRITICAL with performance data (monitoring-plugins), JUnit, exit codes',
  ),
  row('server', 'development', 'mcp_dashboard', 8078, "The dashboard's data and a plain page with no script"),
  row(
    'server',
    'development',
    'complete_langchain_mcp_integration',
    8048,
    'The agents as a LangGraph team, and the fleet as a LangChain toolkit',
  ),
  row('server', 'development', 'foundry_mcp_mcp_server', 8068, 'anvil, cast and forge'),
  row('server', 'development', 'copilot_mcp_mcp_server', 8059, 'Coding assistants'),
  row(
    'server',
    'development',
    'clean_context7_mcp_server',
    8057,
    'Documentation of libraries: from the packages installed, offline, and from Context7 if a key is set',
  ),
  row('server', 'development', 'clean_matic_mcp_server', 8058, 'Polygon'),
  row('server', 'development', 'flash_loan_mcp_mcp_server', 8067, 'Flash loans as they happened on chain'),
  row(
    'server',
    'development',
    'unified_mcp_coordinator_20250617_143120',
    8117,
    'The coordinator at a moment in time',
  ),
  row(
    'agent',
    'agents',
    'arbitrage_detector',
    9003,
    "Holds the live pool graph, updates it from each block's events, finds and sizes every profitable cycle",
  ),
  row(
    'agent',
    'agents',
    'flash_loan_optimizer',
    9001,
    'Keeps, per asset and size, which lender and which split is best; the executor applies it',
  ),
  row(
    'agent',
    'agents',
    'route_optimizer',
    9006,
    "Improves the path: splits, better pools, other chains' markets compared with bridging cost and time",
  ),
  row(
    'agent',
    'agents',
    'gas_optimizer',
    9009,
    'Forecasts base fee and priority fee, sets the bid that maximises expected profit',
  ),
  row('agent', 'agents', 'risk_manager', 9002, 'Limits, exposure, drawdown, kill switch; may veto'),
  row(
    'agent',
    'agents',
    'compliance_checker',
    9007,
    'Sanctions screening of every address touched, rules per jurisdiction, records and reports; may veto',
  ),
  row(
    'agent',
    'agents',
    'security_analyst',
    9008,
    'Scans continuously: dependencies, secrets, tool definitions, tokens, contracts; may veto',
  ),
  row(
    'agent',
    'agents',
    'market_analyzer',
    9005,
    'Regimes, volatility, spreads, correlations, opportunity statistics',
  ),
  row(
    'agent',
    'agents',
    'liquidity_monitor',
    9010,
    'Depth and its changes; warns of withdrawals and manipulated pools',
  ),
  row(
    'agent',
    'agents',
    'transaction_executor',
    9004,
    'Simulates, has it signed, sends, follows to finality, replaces and recovers',
  ),
  row(
    'agent',
    'agents',
    'self_healing_agent',
    8300,
    'Aggregates health, predicts failures, heals, scales, rebalances',
  ),
  row(
    'main',
    'main',
    'coordination_system',
    8000,
    'The gateway: every tool behind one MCP endpoint, REST and WebSocket API, status of the fleet',
  ),
  row('main', 'main', 'dashboard', 8080, 'The web interface'),
]

const BY_ID = new Map(CATALOGUE.map((entry) => [entry.id, entry]))

/** The entry of a service; throws RangeError for an id that is not in the catalogue. */
export function catalogueEntry(id: string): CatalogueEntry {
  const entry = BY_ID.get(id)
  if (!entry) throw new RangeError(`${id} is not in the catalogue`)
  return entry
}

/** An id as people read it: `mcp_price_feed_server` is "MCP price feed server". */
export function titleOf(id: string): string {
  const words = id.split(/[-_]/).map((word) => TITLE_WORDS[word] ?? word)
  const title = words.join(' ')
  return title.charAt(0).toUpperCase() + title.slice(1)
}

const TITLE_WORDS: Readonly<Record<string, string>> = {
  mcp: 'MCP',
  ai: 'AI',
  evm: 'EVM',
  dex: 'DEX',
  api: 'API',
  langchain: 'LangChain',
}

/** The path of a service's definition, relative to the package. */
export const definitionPath = ({ kind, category, id }: CatalogueEntry): string =>
  kind === 'server'
    ? `src/servers/${category}/${id}.ts`
    : kind === 'agent'
      ? `src/agents/${id}.ts`
      : `src/gateway/${id}.ts`
