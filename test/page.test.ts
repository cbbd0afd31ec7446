/** The dashboard in a real browser, at desktop and phone width, in both colour schemes. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectionPool } from '../src/adapters/ledger/pool.ts'
import { postgresLedger } from '../src/adapters/ledger/postgres.ts'
import type { Trade } from '../src/ports/ledger.ts'
import { readPlan } from '../src/processes/run/run-plan.ts'
import { ledgerUrl } from '../src/processes/wiring/database.ts'
import { Fleet } from './support/fleet.ts'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
)
if (!executablePath)
  console.log(
    'skipped: the dashboard in a browser, because Chromium is not installed (Debian: apt-get install chromium)',
  )
/** Trades that were booked two to three hours ago; the page lists 500. */
const OLD_TRADES = 600
const OLD_PROFIT = 10
const HOUR_MS = 3_600_000
const oldTrade = (index: number): Trade => ({
  genesis: `0x${'f'.repeat(64)}`,
  hash: `0x${index.toString(16).padStart(64, '0')}`,
  nonce: index,
  decisionId: null,
  block: 1 + index,
  transactionIndex: 0,
  outcome: 'as-predicted',
  token: `0x${'a'.repeat(40)}`,
  symbol: 'USDC',
  decimals: 6,
  route: 'USDC → DAI (a) → USDC (b)',
  legs: [],
  lender: 'aave-v3',
  amountIn: 1n,
  predictedProfit: 1n,
  realisedProfit: 1n,
  profitValue: OLD_PROFIT,
  profitNative: OLD_PROFIT,
  gasUsed: 1n,
  gasPrice: 1n,
  gasCost: 1n,
  predictedAtBlock: index,
  bookedAt: Date.now() - 3 * HOUR_MS + (index * HOUR_MS) / OLD_TRADES,
})

const pictures = join(import.meta.dirname, '../docs/pictures')

describe.runIf(executablePath)('the dashboard', () => {
  const fleet = new Fleet(14_000, ['--block-seconds', '1'])
  let browser: Browser
  beforeAll(async () => {
    await fleet.start()
    browser = await chromium.launch({
      executablePath: executablePath as string,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    })
    const enough = process.env.KINTSUGI_PICTURES ? 60 : 4
    await fleet.until('a few trades', async () => (await fleet.trades()).length > enough, 100_000)
  }, 150_000)
  afterAll(async () => {
    await browser?.close()
    await fleet.dispose()
  })

  for (const [name, width, height, colorScheme] of [
    ['dark', 1280, 1400, 'dark'],
    ['light', 1280, 1400, 'light'],
    ['phone', 390, 1400, 'dark'],
  ] as const) {
    test(`${name}: services and trades update live, without console errors`, async () => {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme })
      const page = await context.newPage()
      const consoleErrors: string[] = []
      page.on(
        'console',
        (message) => ['error', 'warning'].includes(message.type()) && consoleErrors.push(message.text()),
      )
      page.on('pageerror', (error) => consoleErrors.push(String(error)))
      await page.goto(fleet.url(8080, '/'))
      await page.getByText('mcp_price_feed_server').waitFor()
      await page.getByRole('status').filter({ hasText: 'all healthy' }).waitFor()
      const newest = () =>
        page
          .locator('section', { hasText: 'final on chain' })
          .locator('tbody tr td:last-child button')
          .first()
          .getAttribute('title')
      const before = await newest()
      await expect.poll(newest, { timeout: 20_000 }).not.toBe(before)
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true)
      expect(consoleErrors).toEqual([])
      if (process.env.KINTSUGI_PICTURES) {
        mkdirSync(pictures, { recursive: true })
        await page.screenshot({ path: join(pictures, `dashboard-${name}.png`) })
      }
      await context.close()
    })
  }

  test('a pending approval is shown with its arguments, and the call runs once approved', async () => {
    const call = async () => {
      const response = await fleet.query(
        8086,
        { type: 'connect_server', name: 'elsewhere', url: 'http://127.0.0.1:9/mcp' },
        { authorization: `Bearer ${fleet.token}` },
      )
      return ((await response.json()) as { error: { code: string } }).error.code
    }
    expect(await call()).toBe('approval-needed')
    const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } })
    await page.goto(fleet.url(8080, '/'))
    const section = page.locator('section', { hasText: 'Waiting for you' })
    await section.getByText('http://127.0.0.1:9/mcp').waitFor()
    const approve = section.getByRole('button', { name: 'Approve' })
    expect(await approve.isDisabled()).toBe(true)
    await section.getByLabel('Token').fill('wrong')
    await approve.click()
    await section.getByText('the token is not valid here').waitFor()
    if (process.env.KINTSUGI_PICTURES)
      await page.screenshot({ path: join(pictures, 'dashboard-approval.png') })
    await section.getByLabel('Token').fill(fleet.token)
    await approve.click()
    await section.waitFor({ state: 'detached' })
    // The call runs now and fails for another reason: no server listens there.
    expect(await call()).toBe('server-unreachable')
    await page.close()
  })

  test('trading is halted in one step and resumed in two, with a token', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } })
    await page.goto(fleet.url(8080, '/'))
    await page.getByRole('button', { name: 'Halt trading' }).click()
    const form = page.locator('section', { hasText: 'nothing is signed or sent' })
    expect(await form.getByRole('button', { name: 'Halt now' }).isDisabled()).toBe(true)
    await form.getByLabel('Token').fill('wrong')
    await form.getByLabel('Reason').fill('the prices look wrong')
    await form.getByRole('button', { name: 'Halt now' }).click()
    await form.getByText('the token is not valid here').waitFor()
    expect((await fleet.status()).halt).toBeNull()
    if (process.env.KINTSUGI_PICTURES) await page.screenshot({ path: join(pictures, 'dashboard-halt.png') })
    await form.getByLabel('Token').fill(fleet.token)
    await form.getByRole('button', { name: 'Halt now' }).click()
    const halted = page.getByRole('alert').filter({ hasText: 'Trading is halted' })
    await halted.getByText(/by operator at .*: the prices look wrong/).waitFor()
    await page.getByRole('status').filter({ hasText: 'trading halted' }).waitFor()
    expect((await fleet.status()).halt).toMatchObject({ by: 'operator', reason: 'the prices look wrong' })
    await halted.getByRole('button', { name: 'Resume…' }).click()
    if (process.env.KINTSUGI_PICTURES) await page.screenshot({ path: join(pictures, 'dashboard-halted.png') })
    expect((await fleet.status()).halt).not.toBeNull()
    await halted.getByRole('button', { name: 'Yes, resume trading' }).click()
    await halted.waitFor({ state: 'detached' })
    expect((await fleet.status()).halt).toBeNull()
    await page.close()
  })

  test('a killed service is marked, the toggle shows unhealthy services only, and a decision lists its rules', async () => {
    const page = await browser.newPage()
    await page.goto(fleet.url(8080, '/'))
    await page.getByRole('button', { name: 'only unhealthy' }).click()
    await page.getByText('No service is unhealthy.').waitFor()
    process.kill((await fleet.status()).servers.mcp_monitoring_server?.pid as number, 'SIGKILL')
    await page.getByRole('button', { name: 'only unhealthy' }).click()
    await page
      .locator('li', { hasText: 'mcp_monitoring_server' })
      .getByText('↻ 1')
      .waitFor({ timeout: 10_000 })
    const decision = page.locator('.decisions details').first()
    await decision.locator('summary').click()
    await decision.getByText('net profit').first().waitFor()
    await page.close()
  })

  test('the profit curve covers more trades than the page lists, and ends at the figure of the tile', async () => {
    const plan = readPlan(fleet.data)
    const ledger = postgresLedger({ pool: connectionPool(ledgerUrl(plan), 1), batchSize: 100 })
    for (let index = 0; index < OLD_TRADES; index++) await ledger.book(oldTrade(index))
    await ledger.close()
    const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } })
    await page.goto(fleet.url(8080, '/'))
    const tile = (label: string) => page.locator('.tile', { hasText: label }).locator('strong').textContent()
    await expect
      .poll(async () => Number(await tile('Trades')), { timeout: 20_000 })
      .toBeGreaterThan(OLD_TRADES)
    /**
     * Whether the curve starts where it should and ends at the tile; both are read together, since trading
     * continues.
     */
    const curve = () =>
      page.evaluate(() => {
        const label = document.querySelector('.chart')?.getAttribute('aria-label') ?? ''
        const [, from = '', to = ''] = /from (\S+) to (\S+) /.exec(label) ?? []
        return { from, to, booked: document.querySelector('.tile.gold strong')?.textContent }
      })
    await expect.poll(curve).toMatchObject({ from: '0', to: expect.stringMatching(/^[\d,.]{5,}$/) })
    const all = await curve()
    expect(all.to).toBe(all.booked)
    // All of those were booked before the last hour: its curve starts with their profit, not at 0.
    await page.getByRole('button', { name: '1h' }).click()
    const start = async () => Number((await curve()).from.replaceAll(',', ''))
    await expect.poll(start).toBeGreaterThanOrEqual(OLD_TRADES * OLD_PROFIT)
    const hour = await curve()
    expect(hour.to).toBe(hour.booked)
    await page.close()
  })

  test('the page loads nothing from other origins', async () => {
    const response = await fetch(fleet.url(8080, '/'))
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'.*script-src 'self'/)
    expect((await fetch(fleet.url(8080, '/../../package.json'))).headers.get('content-type')).toMatch(/html/)
  })
})
