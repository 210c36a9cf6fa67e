import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startTestApp } from '../support/app.ts'
import { NEEDS_BROWSER, openBrowser } from '../support/browser.ts'
import { serviceEnvironment } from '../support/service.ts'

const START_TIMEOUT_MS = 30_000

test(
  'npm run dev shows the sources of the dashboard with the numbers of a running service',
  NEEDS_BROWSER,
  async () => {
    await using app = await startTestApp()
    await using dev = await startDev(app.origin)
    await using browser = await openBrowser()
    await using opened = await browser.newPage(dev.origin)
    const { page } = opened
    await page.goto('/')
    await page.getByText('Live', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Banner 42' }).waitFor()
    const sources = await page.evaluate<string[]>(
      `performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)`,
    )
    assert.ok(sources.includes('/main.tsx'), `it loads ${sources.join(', ')}`)
    await fetch(`${app.origin}/counter/42`, { method: 'POST' })
    await page
      .getByRole('row', { name: /Banner 42/ })
      .getByText('1', { exact: true })
      .waitFor()
    await opened.assertClean()
  },
)

async function startDev(service: string): Promise<AsyncDisposable & { readonly origin: string }> {
  const child = spawn('npm', ['run', 'dev', '--silent'], {
    cwd: new URL('../../', import.meta.url),
    env: serviceEnvironment({ SERVICE_URL: service }),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const deadline = performance.now() + START_TIMEOUT_MS
  for (;;) {
    const [origin] = /http:\/\/127\.0\.0\.1:\d+(?=\/)/.exec(output) ?? []
    if (origin !== undefined) {
      return {
        origin,
        async [Symbol.asyncDispose]() {
          child.kill()
          await exited
        },
      }
    }
    if (performance.now() > deadline || child.exitCode !== null) {
      child.kill()
      throw new Error(`npm run dev does not serve: ${output}`)
    }
    await pause(50)
  }
}
