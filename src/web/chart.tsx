/** Cumulative profit over time, with a choice of the range. */
import { useEffect, useMemo, useRef, useState } from 'react'
import uPlot from 'uplot'
import type { ProfitRange, StatusView } from '../gateway/api/schema.ts'
import { axisTimes, compact } from './format.ts'
import { useProfitSeries } from './live.ts'
import { type Curve, curveOf } from './series.ts'

const HEIGHT = 190
const RANGES: readonly ProfitRange[] = ['1h', '24h', 'all']
/** Possible distances of the labels of the time axis, in seconds: from a second to a month. */
const TIME_STEPS = [
  1, 5, 10, 30, 60, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800,
  2_592_000,
]
/** Profit is booked in steps. */
const stepped = uPlot.paths.stepped?.({ align: 1 }) ?? null

/** The card with the curve; its end is the total of the status. */
export function Profit({ status, dark }: { status: StatusView | undefined; dark: boolean }) {
  const [range, setRange] = useState<ProfitRange>('all')
  const series = useProfitSeries(range)
  const total = status?.metrics?.profitValue ?? 0
  const trades = status?.metrics?.tradesBooked ?? 0
  // The end of the curve moves with each load and each booking.
  const curve = useMemo(() => curveOf(series.data, total, Date.now()), [series.data, total])
  const quote = status?.chain?.quoteSymbol ?? ''
  return (
    <section className="card">
      <h2>
        Profit booked <small>cumulative, in {quote || 'quote units'}, at finality</small>
        <span className="ranges">
          {RANGES.map((each) => (
            <button
              key={each}
              type="button"
              className="toggle"
              aria-pressed={each === range}
              onClick={() => setRange(each)}
            >
              {each}
            </button>
          ))}
        </span>
      </h2>
      {trades === 0 || curve.times.length < 2 ? (
        <p className="empty chart-empty">{series.isLoading ? 'Loading…' : 'No trade has been booked yet.'}</p>
      ) : (
        <Plot curve={curve} quote={quote} dark={dark} />
      )}
    </section>
  )
}

function Plot({ curve, quote, dark }: { curve: Curve; quote: string; dark: boolean }) {
  const holder = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const element = holder.current
    if (!element) return
    const plot = new uPlot(
      options(element.clientWidth, quote, dark),
      [[...curve.times], [...curve.values]],
      element,
    )
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      plot.destroy()
    }
  }, [curve, quote, dark])
  const [first, last] = [curve.values[0] ?? 0, curve.values.at(-1) ?? 0]
  return (
    <div
      ref={holder}
      className="chart"
      role="img"
      aria-label={`Cumulative profit from ${compact(first)} to ${compact(last)} ${quote}`}
    />
  )
}

function options(width: number, quote: string, dark: boolean): uPlot.Options {
  const grid = { stroke: dark ? '#2a323d' : '#e6dfd0', width: 1 }
  const axis = { stroke: dark ? '#8d98a7' : '#6b6455', grid, ticks: { show: false }, font: '11px system-ui' }
  return {
    width,
    height: HEIGHT,
    padding: [8, 12, 0, 0],
    cursor: { y: false, points: { size: 6 } },
    legend: { show: false },
    scales: { x: { time: true }, y: { range: (_, low, high) => valueRange(low, high) } },
    axes: [
      {
        ...axis,
        size: 38,
        space: 70,
        incrs: TIME_STEPS,
        values: (_, splits, __, ___, step) => axisTimes(splits, step),
      },
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
  }
}

/** From 0, unless the curve changes little compared with its height. */
function valueRange(low: number, high: number): [number, number] {
  const margin = (high - low || Math.abs(high) || 1) * 0.05
  const flat = low > 0 && high - low < low
  return [flat ? low - margin : Math.min(0, low), high + margin]
}
