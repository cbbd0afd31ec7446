/** The page: is everything well, what was earned, what runs, what was traded and why. */
import { useEffect, useState } from 'react'
import type { StatusView } from '../gateway/api/schema.ts'
import { Approvals } from './approvals.tsx'
import { ProfitChart } from './chart.tsx'
import { Decisions } from './decisions.tsx'
import { amount, compact, percent } from './format.ts'
import {
  type Block,
  type Captured,
  type Connection,
  useEvents,
  useNow,
  useOpportunities,
  useStatus,
  useTrades,
} from './live.ts'
import { Services } from './services.tsx'
import { Trades } from './trades.tsx'

export function App() {
  const { connection, blocks, captured } = useEvents()
  const status = useStatus()
  const trades = useTrades()
  const opportunities = useOpportunities()
  const now = useNow()
  const [dark, toggle] = useTheme()
  return (
    <>
      <Header status={status.data} connection={connection} dark={dark} onToggle={toggle} />
      <main>
        {status.error && <p className="banner bad">The system does not answer: {status.error.message}</p>}
        {connection === 'lost' && (
          <p className="banner warn">The connection is lost; what you see may be old. Trying again…</p>
        )}
        {status.data?.problems.map((problem) => (
          <p className="banner warn" key={problem}>
            {problem}
          </p>
        ))}
        <Approvals now={now} />
        <Tiles status={status.data} blocks={blocks} captured={captured} />
        <section className="card">
          <h2>
            Profit booked{' '}
            <small>cumulative, in {status.data?.chain?.quoteSymbol ?? 'quote units'}, at finality</small>
          </h2>
          <ProfitChart trades={trades.data ?? []} quote={status.data?.chain?.quoteSymbol ?? ''} dark={dark} />
        </section>
        <Services status={status.data} now={now} />
        <Trades
          trades={trades.data}
          loading={trades.isLoading}
          native={status.data?.chain?.nativeSymbol ?? ''}
          now={now}
        />
        <Decisions records={opportunities.data} />
      </main>
      <footer>Kintsugi {status.data?.version} · amounts are booked only when their block is final</footer>
    </>
  )
}

function Header({
  status,
  connection,
  dark,
  onToggle,
}: {
  status: StatusView | undefined
  connection: Connection
  dark: boolean
  onToggle(): void
}) {
  const well = status?.healthy && connection === 'live'
  return (
    <header>
      <img src="./icon.svg" alt="" width="30" height="30" />
      <h1>Kintsugi</h1>
      {status && <span className="mode">{status.mode === 'local' ? 'local chain' : status.mode}</span>}
      <span className={`pill ${well ? 'good' : 'warn'}`} role="status">
        <i />
        {status
          ? connection === 'lost'
            ? 'connection lost'
            : status.healthy
              ? 'all healthy'
              : 'needs attention'
          : 'loading'}
      </span>
      <button
        type="button"
        onClick={onToggle}
        aria-label={dark ? 'Use the light colours' : 'Use the dark colours'}
      >
        {dark ? '☀' : '☾'}
      </button>
    </header>
  )
}

function Tiles({
  status,
  blocks,
  captured,
}: {
  status: StatusView | undefined
  blocks: readonly Block[]
  captured: Captured | undefined
}) {
  const metrics = status?.metrics
  const chain = status?.chain
  const last = blocks.at(-1)
  const shares = metrics?.outcomeShares ?? {}
  return (
    <div className="tiles">
      <Tile
        label="Profit booked"
        value={metrics ? compact(metrics.profitValue) : '—'}
        note={
          metrics
            ? `${chain?.quoteSymbol ?? ''} · ${compact(metrics.profitNative)} ${chain?.nativeSymbol ?? ''}`
            : ''
        }
        gold
      />
      <Tile
        label="Trades"
        value={metrics ? String(metrics.tradesBooked) : '—'}
        note={metrics ? `${metrics.profitable} earned` : ''}
      />
      <Tile
        label="As predicted"
        value={metrics?.tradesBooked ? percent(shares['as-predicted'] ?? 0) : '—'}
        note={`moved ${percent(shares['state-moved'] ?? 0)} · reverted ${percent(shares.reverted ?? 0)}`}
      />
      <Tile
        label="Gas burned"
        value={metrics ? amount(metrics.gasBooked, 18) : '—'}
        note={`${chain?.nativeSymbol ?? ''}, failures included`}
      />
      <Tile
        label="Captured of the bound"
        value={captured?.share == null ? '—' : percent(captured.share)}
        note={
          captured?.blocks
            ? `${compact(captured.captured)} of ${compact(captured.bound)} · ${compact(captured.ahead)} ahead of it`
            : 'waiting for final blocks'
        }
      />
      {status?.mode === 'paper' && metrics && (
        <Tile
          label="On paper"
          value={`${compact(metrics.paper.netNative)} ${chain?.nativeSymbol ?? ''}`}
          note={`${metrics.paper.trades} trades judged by the next block, ${metrics.paper.outcomes.traded ?? 0} would have earned`}
        />
      )}
      <Tile
        label="Block"
        value={last ? String(last.block) : chain ? String(chain.block) : '—'}
        note={
          chain
            ? `final ${chain.finalized} · ${last ? `${last.opportunities} found in ${last.searchMs} ms` : chain.network}`
            : ''
        }
      />
    </div>
  )
}

function Tile({
  label,
  value,
  note,
  gold = false,
}: {
  label: string
  value: string
  note: string
  gold?: boolean
}) {
  return (
    <div className={gold ? 'tile gold' : 'tile'}>
      <span>{label}</span>
      <strong>{value}</strong>
      <small>{note}</small>
    </div>
  )
}

function useTheme(): [boolean, () => void] {
  const [dark, setDark] = useState(
    () =>
      (localStorage.getItem('theme') ??
        (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark')) === 'dark',
  )
  useEffect(() => {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  }, [dark])
  return [
    dark,
    () => {
      localStorage.setItem('theme', dark ? 'light' : 'dark')
      setDark(!dark)
    },
  ]
}
