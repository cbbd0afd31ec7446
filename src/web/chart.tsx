/** Cumulative profit over the booked trades. */
import { useEffect, useMemo, useRef } from 'react'
import uPlot from 'uplot'
import type { TradeView } from '../gateway/api/schema.ts'
import { compact } from './format.ts'

const HEIGHT = 180
/** Profit is booked in steps, and the curve says so. */
const stepped = uPlot.paths.stepped?.({ align: 1 }) ?? null

export function ProfitChart({
  trades,
  quote,
  dark,
}: {
  trades: readonly TradeView[]
  quote: string
  dark: boolean
}) {
  const holder = useRef<HTMLDivElement>(null)
  const data = useMemo((): [number[], number[]] => {
    let sum = 0
    const points = [...trades].reverse().map((trade) => {
      sum += trade.profitValue
      return [trade.bookedAt / 1_000, sum] as const
    })
    return [points.map(([at]) => at), points.map(([, value]) => value)]
  }, [trades])
  useEffect(() => {
    const element = holder.current
    if (!element || data[0].length < 2) return
    const ink = dark ? '#8d98a7' : '#6b6455'
    const grid = { stroke: dark ? '#2a323d' : '#e6dfd0', width: 1 }
    const axis = { stroke: ink, grid, ticks: { show: false }, font: '11px system-ui' }
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        padding: [8, 8, 0, 0],
        cursor: { y: false, points: { size: 6 } },
        legend: { show: false },
        scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low), high * 1.05] } },
        axes: [
          { ...axis, size: 38 },
          { ...axis, size: 64, values: (_, values) => values.map((value) => compact(value, 2)) },
        ],
        series: [
          {},
          {
            label: quote,
            stroke: '#d89b2b',
            width: 2,
            fill: dark ? 'rgba(216,155,43,.12)' : 'rgba(216,155,43,.16)',
            points: { show: false },
            ...(stepped ? { paths: stepped } : {}),
          },
        ],
      },
      data,
      element,
    )
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      plot.destroy()
    }
  }, [data, quote, dark])
  if (data[0].length < 2)
    return <p className="empty chart-empty">The curve begins with the second booked trade.</p>
  return (
    <div
      ref={holder}
      className="chart"
      role="img"
      aria-label={`Cumulative profit in ${quote}, now ${compact(data[1].at(-1) ?? 0)}`}
    />
  )
}
