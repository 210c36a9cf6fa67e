// The service with Kafka as its click log, in this process, and how tests ask it.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { startApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { OperatorError } from '../../src/errors.ts'
import { createLogger } from '../../src/logger.ts'

/** Ten times what it may take on a busy machine. */
const DEADLINE_MS = 60_000
const POLL_MS = 20

export interface KafkaApp extends AsyncDisposable {
  readonly origin: string
  /** Resolves when it ended by itself, for a reason that an operator can mend. */
  readonly ended: Promise<OperatorError>
  log(): string
}

/** `settings` as in the environment. It serves, which is not to say that it is ready. */
export async function startKafkaApp(settings: Readonly<Record<string, string>>): Promise<KafkaApp> {
  let logged = ''
  const config = parseConfig({ PORT: '0', ...settings })
  const logger = createLogger({ ...config.log, write: (line) => void (logged += line) })
  const app = await startApp(config, logger)
  const ended = app.failed.catch((error: unknown) => {
    if (error instanceof OperatorError) return error
    throw error
  })
  return {
    origin: app.origin,
    ended,
    log: () => logged,
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  }
}

export async function until(claim: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadline, `it never comes true that ${claim}`)
    await pause(POLL_MS)
  }
}

export async function statusOf(url: string, method = 'GET'): Promise<number> {
  const answer = await fetch(url, { method })
  await answer.arrayBuffer()
  return answer.status
}

export async function untilStatus(url: string, status: number, method = 'GET'): Promise<void> {
  await until(`${method} ${url} answers ${status}`, async () => {
    return (await statusOf(url, method)) === status
  })
}

/** Status and code of a problem. */
export async function problemOf(url: string, method = 'GET'): Promise<readonly unknown[]> {
  const answer = await fetch(url, { method })
  const { code } = (await answer.json()) as { code?: string } // a problem, or no code
  return [answer.status, code]
}

export interface Total {
  readonly total: number
  readonly completeUntil: number
}

export async function readTotal(origin: string): Promise<Total> {
  const answer = await fetch(`${origin}/stats?tsFrom=0&tsTo=2100-01-01T00:00:00Z`)
  assert.equal(answer.status, 200)
  const { total, completeUntil } = (await answer.json()) as { total: number; completeUntil: string }
  return { total, completeUntil: Date.parse(completeUntil) }
}

/** Waits until everything is counted that was acknowledged before now. */
export async function untilComplete(origin: string): Promise<number> {
  const now = Date.now()
  let found: Total = { total: 0, completeUntil: 0 }
  await until(`${origin} is complete until ${now}`, async () => {
    found = await readTotal(origin)
    return found.completeUntil > now
  })
  return found.total
}

/** Sends clicks one after the other, all of which must be acknowledged. */
export async function click(origin: string, clicks: number): Promise<void> {
  for (let done = 0; done < clicks; done += 1) {
    assert.equal(await statusOf(`${origin}/counter/${1 + (done % 9)}`, 'POST'), 200)
  }
}
