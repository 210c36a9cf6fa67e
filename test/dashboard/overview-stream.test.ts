import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startTestApp, type TestApp } from '../support/app.ts'
import { NEEDS_BROWSER, openBrowser, type TestBrowser } from '../support/browser.ts'
import {
  freePort,
  serviceEnvironment,
  servingChild,
  temporaryFolder,
  type Service,
} from '../support/service.ts'
import { showsLastHour } from './overview-numbers.ts'
import { become, click, clicksOf, figure, setHidden, shows, statusOf } from './overview-page.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const LOST = /The connection is lost\./
const FULL = /Too many people follow the live numbers\. These are asked for/

describe('the live stream of the overview', NEEDS_BROWSER, () => {
  let browser: TestBrowser
  before(async () => void (browser = await openBrowser()))
  after(() => browser[Symbol.asyncDispose]())

  test('D8: a service that is killed and started again is survived by the open page', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    await using opened = await browser.newPage(`http://127.0.0.1:${port}`)
    const { page } = opened
    const { origin } = await killAfter(folder.path, port, async (service) => {
      await page.goto('/')
      await statusOf(page, /^Live$/).waitFor()
      await click(service.origin, 7, 30)
      await shows(clicksOf(page, 'Banner 7'), '30')
    })
    await statusOf(page, 'The service does not answer. Trying again').waitFor()
    assert.equal(await statusOf(page, LOST).count(), 0) // once is enough, and nothing is asked for
    await shows(clicksOf(page, 'Banner 7'), '30') // what is known stays
    await killAfter(folder.path, port, async () => {
      await click(origin, 7, 5)
      await click(origin, 8, 3)
      await statusOf(page, /^Live$/).waitFor()
      await shows(clicksOf(page, 'Banner 7'), '35')
      await showsLastHour(page, origin)
      await click(origin, 8)
      await shows(clicksOf(page, 'Banner 8'), '4')
      await showsLastHour(page, origin)
    })
    await opened.assertClean(/net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|INCOMPLETE_CHUNKED)/)
  })

  test('D8: a hidden tab has no stream, and follows again when it is seen', async () => {
    await using app = await startTestApp()
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/')
    await statusOf(page, /^Live$/).waitFor()
    await become(
      () => streamsOf(app),
      () => Promise.resolve(1),
    )
    await setHidden(page, true)
    await become(
      () => streamsOf(app),
      () => Promise.resolve(0),
    )
    await click(app.origin, 5, 2)
    await setHidden(page, false)
    await become(
      () => streamsOf(app),
      () => Promise.resolve(1),
    )
    await shows(clicksOf(page, 'Banner 5'), '2')
    await click(app.origin, 5)
    await shows(clicksOf(page, 'Banner 5'), '3')
    await page.goto('about:blank')
    await become(
      () => streamsOf(app),
      () => Promise.resolve(0),
    )
    await opened.assertClean()
  })

  test('D8: of too many streams the page says so; its numbers still move', async () => {
    await using app = await startTestApp({ LIVE_MAX: '1' })
    await using other = await browser.newPage(app.origin)
    await other.page.goto('/')
    await statusOf(other.page, /^Live$/).waitFor()
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/')
    await statusOf(page, FULL).waitFor()
    await page.evaluate(`{
      const status = document.querySelector('[role=status]')
      window.said = new Set([status.innerText])
      new MutationObserver(() => window.said.add(status.innerText))
        .observe(status, { childList: true, subtree: true, characterData: true })
    }`)
    await click(app.origin, 6, 4)
    await shows(clicksOf(page, 'Banner 6'), '4')
    await shows(figure(page, 'Last hour'), '4')
    await click(app.origin, 6)
    await shows(clicksOf(page, 'Banner 6'), '5')
    // It has tried several times, and was told the same.
    const said = await page.evaluate<string[]>(`[...window.said]`)
    assert.deepEqual(
      said.filter((text) => !FULL.test(text)),
      [],
    )
    await other.page.goto('about:blank')
    await statusOf(page, /^Live$/).waitFor()
    await click(app.origin, 6)
    await shows(clicksOf(page, 'Banner 6'), '6')
    await opened.assertClean(/status of 503/)
    await other.assertClean()
  })
})

/** Runs the service on a folder and a port, and kills it with -9 when `use` is done. */
async function killAfter(
  folder: string,
  port: number,
  use: (service: Service) => Promise<void>,
): Promise<Service> {
  const child = spawn(process.execPath, [MAIN], {
    cwd: folder,
    env: serviceEnvironment({ PORT: String(port), DATA_DIR: join(folder, 'data') }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  await using service = await servingChild(child, port)
  await use(service)
  return service
}

async function streamsOf({ origin }: TestApp): Promise<number> {
  const metrics = await (await fetch(`${origin}/metrics`)).text()
  return Number(/^tallymark_live_streams (\d+)$/m.exec(metrics)?.[1])
}
