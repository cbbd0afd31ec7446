/** The report of a replay as one HTML page: no script, no external resource, light and dark. */
import { tokenAt } from '../engine/market/tokens.ts'
import type { ReplayReport } from '../engine/paper/replay.ts'
import type { MarketManifest } from '../ports/manifest.ts'

const WIDTH = 900
const HEIGHT = 240
const PAD = 56

const safe = (text: string) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)

interface Series {
  readonly name: string
  readonly colour: string
  readonly values: readonly number[]
}

/** Round values for an axis, at most seven. */
function ticks(min: number, max: number): number[] {
  const span = max - min || 1
  const step =
    [1, 2, 5, 10]
      .map((factor) => factor * 10 ** Math.floor(Math.log10(span / 5)))
      .find((candidate) => span / candidate <= 6) ?? span
  const first = Math.ceil(min / step) * step
  return Array.from({ length: Math.floor((max - first) / step) + 1 }, (_, index) => first + index * step)
}

const tickText = (value: number) =>
  Math.abs(value) >= 1_000 ? value.toFixed(0) : Number(value.toPrecision(3)).toString()

function lines(blocks: readonly number[], series: readonly Series[], unit: string): string {
  const all = series.flatMap(({ values }) => values)
  const [min, max] = [Math.min(0, ...all), Math.max(0, ...all)]
  const x = (index: number) => PAD + (index / Math.max(1, blocks.length - 1)) * (WIDTH - PAD - 12)
  const y = (value: number) => HEIGHT - 28 - ((value - min) / (max - min || 1)) * (HEIGHT - 44)
  const grid = ticks(min, max).map(
    (value) =>
      `<line x1="${PAD}" x2="${WIDTH - 12}" y1="${y(value)}" y2="${y(value)}" class="grid"/><text x="${PAD - 8}" y="${y(value) + 4}" text-anchor="end">${tickText(value)}</text>`,
  )
  const paths = series.map(
    ({ colour, values }) =>
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(' ')}"/>`,
  )
  const legend = series.map(
    ({ name, colour }, index) =>
      `<rect x="${PAD + index * 190}" y="2" width="10" height="10" fill="${colour}"/><text x="${PAD + 16 + index * 190}" y="11">${safe(name)}</text>`,
  )
  const ends = `<text x="${PAD}" y="${HEIGHT - 8}">block ${blocks[0] ?? ''}</text><text x="${WIDTH - 12}" y="${HEIGHT - 8}" text-anchor="end">${blocks.at(-1) ?? ''}</text>`
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${safe(series.map(({ name }) => name).join(', '))} in ${safe(unit)}">${grid.join('')}${paths.join('')}${legend.join('')}${ends}</svg>`
}

function bars(rows: readonly { readonly name: string; readonly value: number }[], unit: string): string {
  const max = Math.max(...rows.map(({ value }) => value), 1e-12)
  const bar = ({ name, value }: (typeof rows)[number], index: number) =>
    `<text x="330" y="${index * 26 + 18}" text-anchor="end">${safe(name)}</text><rect x="340" y="${index * 26 + 5}" height="18" width="${((value / max) * 420).toFixed(1)}" fill="#b8862d"/><text x="${348 + (value / max) * 420}" y="${index * 26 + 18}">${tickText(value)} ${safe(unit)}</text>`
  return `<svg viewBox="0 0 ${WIDTH} ${rows.length * 26 + 8}" role="img" aria-label="missed profit by reason">${rows.map(bar).join('')}</svg>`
}

/** The page; `position` is where in the next block trades were filled, `first` or `last`. */
export function replayPage(report: ReplayReport, manifest: MarketManifest, position: string): string {
  const coin = manifest.nativeSymbol
  const inCoins = (wei: number) => wei / 1e18
  const blocks = report.curve.map(({ block }) => block)
  const cell = (text: string, number = false) => `<td${number ? ' class="n"' : ''}>${safe(text)}</td>`
  const outcomes = Object.entries(report.byOutcome).map(
    ([outcome, { gaps, promised, net }]) =>
      `<tr>${cell(outcome)}${cell(String(gaps), true)}${cell(inCoins(promised).toFixed(4), true)}${cell(inCoins(net).toFixed(4), true)}</tr>`,
  )
  const winners = report.winners
    .slice(0, 20)
    .map(
      ({ account, cycles, value, ours }) =>
        `<tr>${cell(`${account}${ours ? ' (ours)' : ''}`)}${cell(String(cycles), true)}${cell(value.toFixed(2), true)}</tr>`,
    )
  const missed = Object.entries(report.missedBecause)
    .map(([name, value]) => ({ name, value: inCoins(value) }))
    .sort((a, b) => b.value - a.value)
    .slice(0, 12)
  const facts = [
    ['net of gas', `${inCoins(report.net).toFixed(4)} ${coin}`],
    ['trades', String(report.traded)],
    ['opportunities', String(report.gaps.length)],
    ['largest drawdown', `${inCoins(report.largestDrawdown).toFixed(4)} ${coin}`],
  ].map(([name, value]) => `<div><b>${safe(value as string)}</b><span>${safe(name as string)}</span></div>`)
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Replay of blocks ${report.fromBlock} to ${report.toBlock}</title>
<style>
:root{color-scheme:light dark;--ink:light-dark(#1d1a16,#ece6da);--soft:light-dark(#6b6458,#a39b8c);--line:light-dark(#e2dccf,#3a352d);--page:light-dark(#fbf9f4,#17140f)}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;font-weight:600}h2{font-size:1.05rem;margin-top:2rem}p{color:var(--soft)}
.facts{display:flex;gap:2.5rem;flex-wrap:wrap}.facts div{display:flex;flex-direction:column}.facts b{font-size:1.3rem}.facts span{color:var(--soft)}
svg{width:100%;height:auto}svg text{font-size:12px;fill:var(--soft)}.grid{stroke:var(--line)}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}.n{text-align:right;font-variant-numeric:tabular-nums}
</style></head><body>
<h1>Replay of blocks ${report.fromBlock} to ${report.toBlock}</h1>
<p>${safe(manifest.network)}, ${report.blocks} blocks; filled at the state of the next block, ${position === 'last' ? 'after all its transactions' : 'before its transactions'}. Each opportunity is counted once.</p>
<div class="facts">${facts.join('')}</div>
<h2>Cumulative net profit, in ${safe(coin)}</h2>
${lines(blocks, [{ name: 'net profit', colour: '#b8862d', values: report.curve.map(({ net }) => inCoins(net)) }], coin)}
<h2>Available in the market, in ${safe(coin)}</h2>
${lines(blocks, [{ name: 'optimum, net of gas', colour: '#4a7c8c', values: report.curve.map(({ optimum }) => inCoins(optimum)) }], coin)}
<h2>Opportunities by outcome</h2>
<table><tr><th>outcome</th><th class="n">opportunities</th><th class="n">predicted</th><th class="n">net</th></tr>${outcomes.join('')}</table>
${missed.length === 0 ? '' : `<h2>Missed, by reason</h2>${bars(missed, coin)}`}
<h2>Accounts that closed cycles in these blocks</h2>
<table><tr><th>account</th><th class="n">cycles</th><th class="n">profit, ${safe(tokenAt(manifest, manifest.numeraire).symbol)}</th></tr>${winners.join('')}</table>
</body></html>
`
}
