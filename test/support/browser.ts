// Pages in a real browser: Chromium, which no npm package brings, driven by playwright-core.
import assert from 'node:assert/strict'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
} from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const MISSING =
  'Chromium is missing: apt-get install chromium (Debian), or set CHROMIUM to the path of one'
/** Beside other tests, on a machine of two processors. */
const LAUNCH_TIMEOUT_MS = 60_000
const ACTION_TIMEOUT_MS = 15_000

export interface TestBrowser extends AsyncDisposable {
  /**
   * A page of a service, still blank, with storage and cache of its own: `page.goto('/')` leads to
   * `origin`. English and UTC unless `options` say otherwise, wherever the tester sits.
   */
  newPage(origin: string, options?: Omit<BrowserContextOptions, 'baseURL'>): Promise<TestPage>
}

interface TestPage extends AsyncDisposable {
  readonly page: Page
  /**
   * The page made no request to another origin, wrote no error or warning to the console, and no
   * error was left uncaught. `expected` are lines that a test provokes, such as that of a 401.
   */
  assertClean(expected?: RegExp): Promise<void>
}

/** Options of tests that need a browser: without one they are skipped and say why, but not in CI. */
export const NEEDS_BROWSER: { readonly skip?: string } =
  findChromium() === undefined && process.env['CI'] === undefined ? { skip: MISSING } : {}

export async function openBrowser(): Promise<TestBrowser> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error(MISSING)
  const browser = await chromium.launch({
    executablePath,
    timeout: LAUNCH_TIMEOUT_MS,
    // Root cannot have one, nor can many containers; no page is opened but ours.
    chromiumSandbox: false,
    // What is asked of another host fails, on each tester's machine alike.
    args: ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost'],
  })
  return {
    newPage: (origin, options) => newPage(browser, origin, options),
    [Symbol.asyncDispose]: () => browser.close(),
  }
}

/** No violation of the rules of axe, or of some of them, that keeps some people from using the page. */
export async function assertAccessible(page: Page, rules?: string[]): Promise<void> {
  // Options are drawn by the browser, and the zones of the world among them take axe a second.
  const axe = new AxeBuilder({ page }).exclude('option')
  const { violations } = await (rules === undefined ? axe : axe.withRules(rules)).analyze()
  const found = violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) =>
      nodes.map(({ target }) => `${id} at ${target.join(' ')}: ${help}`),
    )
  assert.deepEqual(found, [])
}

async function newPage(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<TestPage> {
  const context = await browser.newContext({
    baseURL: origin,
    locale: 'en-GB',
    timezoneId: 'UTC',
    ...options,
  })
  context.setDefaultTimeout(ACTION_TIMEOUT_MS)
  const complaints = keepComplaints(context, new URL(origin))
  const page = await context.newPage()
  return {
    page,
    async assertClean(expected) {
      await page.evaluate('0') // answered after everything that the page has said so far
      const unexpected = complaints.filter((line) => expected?.test(line) !== true)
      assert.deepEqual(unexpected, [])
    },
    [Symbol.asyncDispose]: () => context.close(),
  }
}

/** Everything that a clean page does not do; lines are added as it does. */
function keepComplaints(context: BrowserContext, own: URL): readonly string[] {
  const complaints: string[] = []
  const keepForeign = (address: string): void => {
    const { protocol, host } = new URL(address)
    // Others, such as data: and about:, ask nobody.
    if (/^(?:http|ws)s?:$/.test(protocol) && host !== own.host) {
      complaints.push(`request to another origin: ${address}`)
    }
  }
  context.on('request', (request) => keepForeign(request.url()))
  context.on('page', (page) => page.on('websocket', (socket) => keepForeign(socket.url())))
  context.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return
    complaints.push(`console.${message.type()}: ${message.text()} (${message.location().url})`)
  })
  context.on('weberror', (error) => complaints.push(`uncaught: ${String(error.error())}`))
  return complaints
}

function findChromium(): string | undefined {
  const { CHROMIUM = '', PATH = '' } = process.env
  if (CHROMIUM !== '') return isProgram(CHROMIUM) ? CHROMIUM : undefined
  const folders = PATH.split(delimiter)
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
