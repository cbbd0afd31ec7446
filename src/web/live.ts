/** The page's data: loaded over REST, then updated by the event stream; after a gap it is loaded again. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type {
  ApprovalView,
  EventView,
  OpportunityView,
  ProfitRange,
  ProfitSeriesView,
  StatusView,
  TradeView,
} from '../gateway/api/schema.ts'

const MAX_TRADES = 500
const RECONNECT_MS = 1_000
const SERIES_REFRESH_MS = 15_000

export type Captured = Extract<EventView, { type: 'captured' }>
export type Block = Extract<EventView, { type: 'block' }>
export type Connection = 'live' | 'connecting' | 'lost'

async function read<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(`/api${path}`, init)
  const body = await response.json()
  if (!response.ok) throw new Error(body.error?.message ?? `status ${response.status}`)
  return body as T
}

const withToken = (token: string, body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  body: JSON.stringify(body),
})

export const useStatus = () =>
  useQuery({ queryKey: ['status'], queryFn: () => read<StatusView>('/status'), refetchInterval: 10_000 })
export const useTrades = () =>
  useQuery({
    queryKey: ['trades'],
    queryFn: async () => (await read<{ trades: TradeView[] }>(`/trades?limit=${MAX_TRADES}`)).trades,
  })
/** The profit curve; the newest trades are in the status before they are here. */
export const useProfitSeries = (range: ProfitRange) =>
  useQuery({
    queryKey: ['profit-series', range],
    queryFn: () => read<ProfitSeriesView>(`/profit-series?range=${range}`),
    refetchInterval: SERIES_REFRESH_MS,
  })
export const useOpportunities = () =>
  useQuery({
    queryKey: ['opportunities'],
    queryFn: async () =>
      (await read<{ opportunities: OpportunityView[] }>('/opportunities?limit=60')).opportunities,
    refetchInterval: 3_000,
  })

export const useApprovals = () =>
  useQuery({
    queryKey: ['approvals'],
    queryFn: async () => (await read<{ approvals: ApprovalView[] }>('/approvals')).approvals,
    refetchInterval: 3_000,
  })

/** Approves or refuses the call as it was shown. Rejects with the system's error message. */
export const decide = ({ id, digest }: ApprovalView, approve: boolean, token: string) =>
  read(`/approvals/${id}`, withToken(token, { digest, approve }))

/** Halts trading. Rejects with the system's error message. */
export const haltTrading = (reason: string, token: string) =>
  read('/halt', withToken(token, reason === '' ? {} : { reason }))

/** Ends the halt that was shown. Rejects with the system's error message. */
export const resumeTrading = (haltedAt: number, token: string) =>
  read('/resume', withToken(token, { haltedAt }))

/**
 * Follows `/events`: the state of the connection, the last blocks, and the share of profit captured in them.
 */
export function useEvents(): {
  connection: Connection
  blocks: readonly Block[]
  captured: Captured | undefined
} {
  const client = useQueryClient()
  const [connection, setConnection] = useState<Connection>('connecting')
  const [blocks, setBlocks] = useState<readonly Block[]>([])
  const [captured, setCaptured] = useState<Captured>()
  useEffect(() => {
    let socket: WebSocket | undefined
    let timer: number | undefined
    let closed = false
    const connect = () => {
      socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/events`)
      socket.onopen = () => {
        setConnection('live')
        // Events were missed while disconnected.
        for (const key of ['trades', 'profit-series']) void client.invalidateQueries({ queryKey: [key] })
      }
      socket.onmessage = ({ data }) => {
        const event = JSON.parse(data) as EventView
        if (event.type === 'hello' || event.type === 'status') client.setQueryData(['status'], event.status)
        else if (event.type === 'trade')
          client.setQueryData<TradeView[]>(['trades'], (trades = []) =>
            trades.some((trade) => trade.hash === event.trade.hash)
              ? trades
              : [event.trade, ...trades].slice(0, MAX_TRADES),
          )
        else if (event.type === 'captured') setCaptured(event)
        else if (event.type === 'block')
          setBlocks((before) => [...before.filter((block) => block.block !== event.block), event].slice(-60))
      }
      socket.onclose = () => {
        if (closed) return
        setConnection('lost')
        timer = window.setTimeout(connect, RECONNECT_MS)
      }
    }
    connect()
    return () => {
      closed = true
      window.clearTimeout(timer)
      socket?.close()
    }
  }, [client])
  return { connection, blocks, captured }
}

/** The current time in ms since 1970, updated once a second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1_000)
    return () => window.clearInterval(timer)
  }, [])
  return now
}
