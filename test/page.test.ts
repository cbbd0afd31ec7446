/** The page at 8080 in a real browser: it shows the services and the trades as they come, at both widths, in both colour schemes. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Fleet } from './support/fleet.ts'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
)
if (!executablePath)
  console.log(
    'skipped: the page in a browser, since no Chromium is installed (Debian: apt-get install chromium)',
  )
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
    await fleet.until('a few trades', async () => (await fleet.trades()).length > 4)
  })
  afterAll(async () => {
    await browser?.close()
    await fleet.dispose()
  })

  for (const [name, width, height, colorScheme] of [
    ['dark', 1280, 1400, 'dark'],
    ['light', 1280, 1400, 'light'],
    ['phone', 390, 1400, 'dark'],
  ] as const) {
    test(`${name}: services and trades, live, without a complaint`, async () => {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme })
      const page = await context.newPage()
      const complaints: string[] = []
      page.on(
        'console',
        (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()),
      )
      page.on('pageerror', (error) => complaints.push(String(error)))
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
      expect(complaints).toEqual([])
      if (process.env.KINTSUGI_PICTURES) {
        mkdirSync(pictures, { recursive: true })
        await page.screenshot({ path: join(pictures, `dashboard-${name}.png`) })
      }
      await context.close()
    })
  }

  test('a call that needs a person waits on the page, says what it is, and goes on when it is approved there', async () => {
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
    // It goes on now, and fails for another reason: nobody is there.
    expect(await call()).toBe('server-unreachable')
    await page.close()
  })

  test('a killed service shows, only the unhealthy in one click, and a refusal explains itself', async () => {
    const page = await browser.newPage()
    await page.goto(fleet.url(8080, '/'))
    await page.getByRole('button', { name: 'only unhealthy' }).click()
    await page.getByText('Nothing is unhealthy.').waitFor()
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

  test('nothing of the page may come from elsewhere', async () => {
    const response = await fetch(fleet.url(8080, '/'))
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'.*script-src 'self'/)
    expect((await fetch(fleet.url(8080, '/../../package.json'))).headers.get('content-type')).toMatch(/html/)
  })
})
