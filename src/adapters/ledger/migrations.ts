/** The ledger's schema, as a list of steps that only grows. Amounts are numeric(78,0): every uint256 fits. */
export interface Migration {
  readonly id: number
  readonly name: string
  readonly sql: string
}

export const MIGRATIONS: readonly Migration[] = [
  {
    id: 1,
    name: 'decisions, transactions, trades, prices, tasks, incidents',
    sql: `
      create table chains (
        genesis text primary key, chain_id bigint not null, network text not null, first_block bigint not null, seen_at timestamptz not null
      );
      create table decisions (
        id text primary key, genesis text not null, block bigint not null, token text not null, verdict text not null check (verdict in ('trade', 'refuse')),
        refused_by text, record text not null, decided_at timestamptz not null
      );
      create index decisions_by_time on decisions (decided_at desc);
      create table transactions (
        genesis text not null, account text not null, nonce bigint not null, decision_id text references decisions (id),
        status text not null check (status in ('open', 'final', 'lost')), created_at timestamptz not null,
        primary key (genesis, account, nonce)
      );
      create index transactions_open on transactions (status) where status = 'open';
      create table attempts (
        hash text primary key, genesis text not null, account text not null, nonce bigint not null, raw text not null, intent text not null,
        sent_at timestamptz not null, sent_at_block bigint not null,
        foreign key (genesis, account, nonce) references transactions (genesis, account, nonce)
      );
      create index attempts_by_nonce on attempts (genesis, account, nonce);
      create table trades (
        hash text primary key, genesis text not null, nonce bigint not null, decision_id text references decisions (id), block bigint not null,
        transaction_index int not null, outcome text not null check (outcome in ('as-predicted', 'state-moved', 'reverted', 'cancelled')),
        token text not null, symbol text not null, decimals int not null, route text not null, legs jsonb not null, lender text not null,
        amount_in numeric(78,0) not null, predicted_profit numeric(78,0) not null, realised_profit numeric(78,0) not null,
        profit_value double precision not null, profit_native double precision not null,
        gas_used numeric(78,0) not null, gas_price numeric(78,0) not null, gas_cost numeric(78,0) not null,
        predicted_at_block bigint not null, booked_at timestamptz not null
      );
      create index trades_by_block on trades (block desc);
      create table prices (symbol text not null, at timestamptz not null, price double precision not null, block bigint not null);
      create index prices_by_symbol on prices (symbol, at desc);
      create table tasks (
        id text primary key, status text not null, priority int not null, record text not null, created_at timestamptz not null
      );
      create index tasks_by_time on tasks (created_at desc);
      create table incidents (
        id bigint generated always as identity primary key, service text not null, kind text not null, detail text not null,
        at timestamptz not null, recovered_at timestamptz
      );`,
  },
  {
    id: 2,
    name: 'a decision names its cycles instead of the legs of one cycle',
    sql: `
      update decisions set record = jsonb_set(
        record::jsonb #- '{opportunity,legs}' #- '{opportunity,amounts}', '{opportunity}',
        ((record::jsonb -> 'opportunity') - 'legs' - 'amounts') || jsonb_build_object(
          'cycles', jsonb_build_array(jsonb_build_object('legs', record::jsonb #> '{opportunity,legs}', 'amounts', record::jsonb #> '{opportunity,amounts}')),
          'borrowed', record::jsonb #> '{opportunity,amounts,0}'
        )
      )::text where record::jsonb #> '{opportunity,legs}' is not null;`,
  },
  {
    id: 3,
    name: 'the nonce of a relayed transaction that was not mined is free again',
    sql: `
      alter table transactions drop constraint transactions_status_check;
      alter table transactions add check (status in ('open', 'final', 'lost', 'expired'));`,
  },
  {
    id: 4,
    name: 'trades on paper',
    sql: `
      create table paper_trades (
        decision_id text primary key references decisions (id), genesis text not null, block bigint not null, route text not null,
        symbol text not null, decimals int not null, predicted_profit numeric(78,0) not null,
        outcome text not null check (outcome in ('traded', 'moved away', 'taken by another')), net_native double precision not null,
        reason text not null, judged_at timestamptz not null
      );
      create index paper_trades_by_time on paper_trades (judged_at desc);`,
  },
  {
    id: 5,
    name: 'incidents say which services they touch, what was done and how long it took; settings',
    sql: `
      alter table incidents rename column service to unit;
      alter table incidents drop column recovered_at;
      alter table incidents add column services text[] not null default '{}', add column action text not null default '', add column duration_ms double precision;
      update incidents set services = array[unit];
      create index incidents_by_time on incidents (at desc);
      create table settings (key text primary key, value text not null, changed_at timestamptz not null default now());`,
  },
  {
    id: 6,
    name: 'the audit log: entries in one order, its head, and the heads that were witnessed',
    sql: `
      create table audit_log (sequence bigint primary key, entry text not null);
      create table audit_head (one boolean primary key default true check (one), size bigint not null, peaks bytea[] not null);
      insert into audit_head (size, peaks) values (0, '{}');
      create table audit_witnesses (
        size bigint not null, root text not null, account text not null, signature text not null, at timestamptz not null, primary key (size, account)
      );`,
  },
  {
    id: 7,
    name: 'records that processes share until they expire',
    sql: `
      create table records (
        kind text not null, id text not null, version int not null default 0, value text not null,
        created_at timestamptz not null, expires_at timestamptz not null, primary key (kind, id)
      );
      create index records_by_expiry on records (expires_at);`,
  },
  {
    id: 8,
    name: 'trades and transactions by decision',
    sql: `
      create index trades_by_decision on trades (decision_id);
      create index transactions_by_decision on transactions (decision_id);`,
  },
  {
    id: 9,
    name: 'the decision of each attempt; transactions whose nonce somebody else used',
    sql: `
      alter table attempts add column decision_id text;
      update attempts a set decision_id = t.decision_id from transactions t
        where t.genesis = a.genesis and t.account = a.account and t.nonce = a.nonce;
      alter table transactions drop constraint transactions_status_check;
      alter table transactions add check (status in ('open', 'final', 'lost', 'expired', 'replaced'));`,
  },
]
