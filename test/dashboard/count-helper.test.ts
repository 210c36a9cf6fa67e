import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { snippets } from '../../web/dashboard/banner/snippets.ts'
import { jsonOf, PAUSED } from '../support/app.ts'
import { describeDashboard } from '../support/dashboard.ts'
import { becomes, figureOf } from '../support/shown.ts'

const TITLES = ['curl', 'HTML', 'JavaScript'] as const

test('D14: the line of HTML escapes what would be a tag or end an attribute', () => {
  const banner = { id: 7, name: '<b>"5 > 4" & more</b>', url: 'https://shop.example/?a=1&b="2"' }
  const html = snippets('https://count.example', banner).find(({ title }) => title === 'HTML')
  assert.equal(
    html?.text,
    `<a href="https://shop.example/?a=1&amp;b=&quot;2&quot;" ` +
      `onclick="navigator.sendBeacon('https://count.example/counter/7')">` +
      `&lt;b&gt;"5 &gt; 4" &amp; more&lt;/b&gt;</a>`,
  )
})

describeDashboard('the lines that count a click', (at) => {
  async function totalOf(id: number): Promise<number> {
    return Number((await jsonOf(await fetch(`${at.app.origin}/stats/${id}`)))['total'])
  }

  test('D14: each line is copied as it stands there', async () => {
    const permissions = ['clipboard-read', 'clipboard-write']
    await using opened = await at.newPage({ permissions })
    const { page } = opened
    await page.goto('/#/banners/42')
    for (const title of TITLES) {
      const copy = page.getByRole('button', { name: `Copy: ${title}` })
      await copy.click()
      await copy.getByText('Copied').waitFor()
      const copied = await page.evaluate<string>('navigator.clipboard.readText()')
      assert.equal(copied, await lineOf(page, title))
      assert.ok(copied.includes(`${at.app.origin}/counter/42`))
    }
    await opened.assertClean()
  })

  test('D14: where nothing can be copied, the page says so, and the line can be selected', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.addInitScript(`Object.defineProperty(navigator, 'clipboard', { value: undefined })`)
    await page.goto('/#/banners/42')
    await page.getByRole('button', { name: 'Copy: curl' }).click()
    await page.getByText('Select and copy it by hand').waitFor()
    await opened.assertClean()
  })

  test('D14: the line for a terminal counts a click', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/1')
    const line = await lineOf(page, 'curl')
    const shell = spawn('sh', ['-c', line], { stdio: ['ignore', 'ignore', 'ignore'] })
    const [code] = await once(shell, 'exit')
    assert.equal(code, 0)
    assert.equal(await totalOf(1), 1)
    await becomes(() => figureOf(page, 'Total'), '1')
    await opened.assertClean()
  })

  test('D14: the lines of HTML and JavaScript count a click on the page of somebody else', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    const name = 'Mind <b>the</b> "gap" & go'
    const answer = await fetch(`${at.app.origin}/banners/2`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name }),
    })
    assert.equal(answer.status, 200)
    await page.goto('/#/banners/2')
    await page.getByRole('heading', { name, level: 1 }).waitFor()
    const [html, script] = [await lineOf(page, 'HTML'), await lineOf(page, 'JavaScript')]
    const element = `document.querySelector('button')`
    await using shop = await serve(
      `<!doctype html><title>Shop</title><link rel="icon" href="data:,">${html}
       <button>Buy</button><script>const element = ${element}; ${script}</script>`,
    )
    await using visitor = await at.browser.newPage(shop.origin)
    await visitor.page.goto('/')
    await visitor.page.getByRole('link', { name, exact: true }).click()
    await becomes(() => totalOf(2), 1)
    await visitor.page.getByRole('button', { name: 'Buy' }).click()
    await becomes(() => totalOf(2), 2)
    await becomes(() => figureOf(page, 'Total'), '2')
    // That is what the lines are for; nothing else is asked of anybody, and nothing complained of.
    await visitor.assertClean(/^request to another origin: http:\/\/127\.0\.0\.1:\d+\/counter\/2$/)
    await opened.assertClean()
  })

  test('D14: a test click is sent with a button, and seen to arrive', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/3')
    const send = page.getByRole('button', { name: 'Send a test click' })
    for (const [from, to] of [
      [0, 1],
      [1, 2],
    ]) {
      await send.click()
      const arrived = new RegExp(
        `^Arrived: acknowledged after [\\d,]+ ms, and the last hour rose from ${from} to ${to}\\.$`,
      )
      await page.getByRole('status').getByText(arrived).waitFor()
      assert.equal(await totalOf(3), to)
      await becomes(() => figureOf(page, 'Total'), String(to))
    }
    await opened.assertClean()
  })

  test('D14: a test click has arrived once the statistics are complete up to it', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    let isBehind = true
    const completeUntil = new Date().toISOString()
    await page.route('**/series?*', async (route) => {
      const response = await route.fetch()
      const body = (await response.json()) as Record<string, unknown> // the service's own tests hold it to that
      await route.fulfill({ response, json: { ...body, ...(isBehind && { completeUntil }) } })
    })
    await page.goto('/#/banners/5')
    await page.getByRole('button', { name: 'Send a test click' }).click()
    const status = page.locator('.test-click').getByRole('status')
    await status.getByText(/^Acknowledged after /).waitFor()
    await becomes(() => figureOf(page, 'Total'), '1')
    // The total has risen, but that could be somebody else's click.
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 1_000))')
    assert.match(await status.innerText(), /^Acknowledged after /)
    isBehind = false
    await status.getByText(/rose from 0 to 1\.$/).waitFor()
    await opened.assertClean()
  })

  test('D14: a test click on a paused banner shows what the service answers to it', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    const refused = await fetch(`${at.app.origin}/counter/${PAUSED}`)
    assert.equal(refused.status, 410)
    const { detail } = await jsonOf(refused)
    await page.goto(`/#/banners/${PAUSED}`)
    await page.getByRole('button', { name: 'Send a test click' }).click()
    await page
      .getByRole('status')
      .getByText(`The service answers: ${String(detail)}`)
      .waitFor()
    assert.equal(await totalOf(PAUSED), 0)
    await opened.assertClean(/^console\.error: .* 410 /)
  })
})

async function lineOf(page: Page, title: string): Promise<string> {
  const snippet = page.locator('.snippet', { has: page.getByText(title, { exact: true }) })
  return await snippet.getByRole('code').innerText()
}

/** A page of another origin. */
async function serve(html: string): Promise<AsyncDisposable & { readonly origin: string }> {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8')
    response.end(html)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it has no port')
  return {
    origin: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
