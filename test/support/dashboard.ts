import { after, before, describe } from 'node:test'
import { startTestApp, type TestApp } from './app.ts'
import { NEEDS_BROWSER, openBrowser, type TestBrowser } from './browser.ts'

/** A service and a browser that all tests of a suite share. */
export interface Dashboard {
  readonly app: TestApp
  readonly browser: TestBrowser
  /** Of this service, see `TestBrowser`. */
  newPage(options?: Parameters<TestBrowser['newPage']>[1]): ReturnType<TestBrowser['newPage']>
}

/** A suite with both; they are there in its own `before`, too. */
export function describeDashboard(title: string, tests: (at: Dashboard) => void): void {
  describe(title, NEEDS_BROWSER, () => {
    let app: TestApp
    let browser: TestBrowser
    before(async () => {
      app = await startTestApp()
      browser = await openBrowser()
    })
    after(async () => {
      await browser[Symbol.asyncDispose]()
      await app[Symbol.asyncDispose]()
    })
    tests({
      get app() {
        return app
      },
      get browser() {
        return browser
      },
      newPage: (options) => browser.newPage(app.origin, options),
    })
  })
}
