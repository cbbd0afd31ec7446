/** The page: health, profit, services, trades and decisions. */
import { useEffect, useState } from 'react'
import type { StatusView } from '../gateway/api/schema.ts'
import { Approvals } from './approvals.tsx'
import { Profit } from './chart.tsx'
import { Decisions } from './decisions.tsx'
import { ago, amount, compact, percent } from './format.ts'
import { Halted, HaltForm } from './halt.tsx'
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
  // Kept in memory only, while the page is open.
  const [token, setToken] = useState('')
  const [halting, setHalting] = useState(false)
  return (
    <>
      <Header
        status={status.data}
        connection={connection}
        dark={dark}
        onToggle={toggle}
        onHalt={() => setHalting(!halting)}
      />
      <main>
        {status.error && <p className="banner bad">The system did not answer: {status.error.message}</p>}
        {connection === 'lost' && (
          <p className="banner warn">Connection lost; the figures may be outdated. Reconnecting…</p>
        )}
        {status.data?.alarms.map(({ kind, message, since }) => (
          <p className="banner warn" key={kind}>
            {message} (alarm for {ago(since, now)})
          </p>
        ))}
        {status.data?.problems.map((problem) => (
          <p className="banner warn" key={problem}>
            {problem}
          </p>
        ))}
        {status.data?.halt ? (
          <Halted halt={status.data.halt} token={token} onToken={setToken} />
        ) : (
          halting && <HaltForm token={token} onToken={setToken} onDone={() => setHalting(false)} />
        )}
        <Approvals now={now} token={token} onToken={setToken} />
        <Tiles status={status.data} blocks={blocks} captured={captured} />
        <Profit status={status.data} dark={dark} />
        <Services status={status.data} now={now} />
        <Trades
          trades={trades.data}
          loading={trades.isLoading}
          native={status.data?.chain?.nativeSymbol ?? ''}
          now={now}
        />
        <Decisions records={opportunities.data} native={status.data?.chain?.nativeSymbol ?? ''} />
      </main>
      <footer>Kintsugi {status.data?.version} · profit is booked when its block is final</footer>
    </>
  )
}

function Header({
  status,
  connection,
  dark,
  onToggle,
  onHalt,
}: {
  status: StatusView | undefined
  connection: Connection
  dark: boolean
  onToggle(): void
  onHalt(): void
}) {
  const well = status?.healthy && !status.halt && connection === 'live'
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
            : status.halt
              ? 'trading halted'
              : status.healthy
                ? 'all healthy'
                : 'needs attention'
          : 'loading'}
      </span>
      {status && !status.halt && (
        <button type="button" className="stop" onClick={onHalt} title="Halt trading">
          Halt<span> trading</span>
        </button>
      )}
      <button
        type="button"
        onClick={onToggle}
        aria-label={dark ? 'Switch to light colours' : 'Switch to dark colours'}
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
        note={metrics ? `${metrics.profitable} profitable` : ''}
      />
      <Tile
        label="As predicted"
        value={metrics?.tradesBooked ? percent(shares['as-predicted'] ?? 0) : '—'}
        note={`moved ${percent(shares['state-moved'] ?? 0)} · reverted ${percent(shares.reverted ?? 0)}`}
      />
      <Tile
        label="Gas burned"
        value={metrics ? amount(metrics.gasBooked, 18) : '—'}
        note={`${chain?.nativeSymbol ?? ''}, failed ones included`}
      />
      <Tile
        label="Share of the optimum"
        title="Profit captured in the last final blocks, compared with the computed optimum of those blocks"
        value={captured?.share == null ? '—' : percent(captured.share)}
        note={
          captured?.blocks
            ? `${compact(captured.captured)} of ${compact(captured.bound)} ${chain?.nativeSymbol ?? ''}, ${captured.blocks} blocks`
            : 'waiting for final blocks'
        }
      />
      {status?.mode === 'paper' && metrics && (
        <Tile
          label="On paper"
          value={`${compact(metrics.paper.netNative)} ${chain?.nativeSymbol ?? ''}`}
          note={`${metrics.paper.trades} trades, ${metrics.paper.outcomes.traded ?? 0} filled by the next block`}
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
  title,
  gold = false,
}: {
  label: string
  value: string
  note: string
  title?: string
  gold?: boolean
}) {
  return (
    <div className={gold ? 'tile gold' : 'tile'} title={title}>
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
