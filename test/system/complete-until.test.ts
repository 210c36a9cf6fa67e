// What answers claim, held against acknowledgements while clicks arrive and Postgres stalls.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createDatabase, runSql } from '../support/database.ts'
import { emptyResult, runLoad } from '../support/load.ts'
import { startPostgres } from '../support/postgres.ts'
import { freePort, startService, type Service } from '../support/service.ts'

const MINUTE_MS = 60_000
const ACK_TIMEOUT_MS = 500
/** Room for starting the processes, before the load begins. */
const STARTS_MS = 6_000
const LOAD_MS_BEFORE_MINUTE = 2_000
const LOAD_MS_AFTER_MINUTE = 6_000
/**
 * From the minute's end, in milliseconds. Over the end Postgres stalls for less than the ack timeout:
 * clicks of the minute are acknowledged after it. Later for so long that clicks are refused.
 */
const STALLS = [
  { at: -200, forMs: 400 },
  { at: 3_000, forMs: 1_000 },
] as const
const READ_PAUSE_MS = 5

interface Answer {
  readonly total: number
  readonly completeUntil: number
  readonly isPartial: boolean
}

interface Observed {
  /** When acknowledgements were received, on the shared clock, in order. */
  readonly acknowledged: readonly number[]
  /** Each process's answers about everything, in order. */
  readonly answers: readonly (readonly Answer[])[]
  /** Answers about the minute that ended under load, in order of their process. */
  readonly minuteAnswers: readonly Answer[]
  /** Clicks that were answered 503 and counted. */
  readonly late: number
  readonly finalTotal: number
  readonly finalMinute: Answer
}

let observed: Observed
before(async () => {
  observed = await observe()
})

test('I8: under load and stalls no answer claims clicks that it lacks, and completeUntil does not go back', () => {
  const { acknowledged, answers } = observed
  assert.ok(acknowledged.length > 1_000, `too little load: ${acknowledged.length}`)
  for (const ofProcess of answers) {
    assert.ok(ofProcess.length > 50, `too few answers: ${ofProcess.length}`)
    let last = 0
    for (const { total, completeUntil } of ofProcess) {
      const earlier = acknowledged.filter((at) => at < completeUntil).length
      assert.ok(total >= earlier, `it has ${total} of ${earlier} until ${completeUntil}`)
      assert.ok(completeUntil >= last, 'completeUntil went back')
      last = completeUntil
    }
  }
})

test('I12: a minute that was answered with partial: false gains no acknowledged click', () => {
  const { minuteAnswers, finalMinute } = observed
  assert.equal(finalMinute.isPartial, false)
  const whole = minuteAnswers.filter(({ isPartial }) => !isPartial)
  assert.ok(whole.length > 50, `too few answers about the whole minute: ${whole.length}`)
  // The clicks that were refused and counted belong to the next one.
  for (const { total } of whole) assert.equal(total, finalMinute.total)
})

test('I2: what was counted is what was acknowledged, and what the metric calls late', () => {
  const { acknowledged, finalTotal, late } = observed
  assert.ok(late > 0, 'no click was late: the stalls show nothing')
  assert.equal(finalTotal - acknowledged.length, late)
})

async function observe(): Promise<Observed> {
  await using postgres = await startPostgres({ isDurable: true })
  await using database = await createDatabase(postgres.url)
  await using closing = new AsyncDisposableStack()
  const start = async (): Promise<Service> =>
    closing.use(
      await startService({
        DATABASE_URL: database.url,
        PORT: String(await freePort()),
        ACK_TIMEOUT_MS: String(ACK_TIMEOUT_MS),
      }),
    )
  const first = await start() // makes the schema; the others find a clock that is about to turn
  await first.stop()
  const now = await sharedClock(database.url, STARTS_MS + LOAD_MS_BEFORE_MINUTE)
  const minuteEnd = Math.ceil(now() / MINUTE_MS) * MINUTE_MS
  const services = [await start(), await start()]
  await until(minuteEnd - LOAD_MS_BEFORE_MINUTE, now)

  const isOver = () => now() > minuteEnd + LOAD_MS_AFTER_MINUTE
  const acknowledged: number[] = []
  const loads = services.map(({ origin }) =>
    runLoad({
      origin,
      connections: 8,
      result: emptyResult(),
      next: () => (isOver() ? undefined : { path: '/counter/7' }),
      onAcknowledged: () => void acknowledged.push(now()),
    }),
  )
  const everything = { from: minuteEnd - MINUTE_MS, to: minuteEnd + MINUTE_MS }
  const lastMinute = { from: minuteEnd - MINUTE_MS, to: minuteEnd }
  const reading = services.map(({ origin }) => readUntil(isOver, origin, everything))
  const readingMinute = services.map(({ origin }) => readUntil(isOver, origin, lastMinute))
  for (const { at, forMs } of STALLS) {
    await until(minuteEnd + at, now)
    postgres.freeze()
    await pause(forMs)
    postgres.thaw()
  }
  await Promise.all(loads)
  const [{ origin } = first] = services
  const finalMinute = await ask(origin, lastMinute)
  assert.ok(finalMinute !== undefined)
  return {
    acknowledged,
    answers: await Promise.all(reading),
    minuteAnswers: (await Promise.all(readingMinute)).flat(),
    late: await lateClicks(services),
    finalTotal: (await ask(origin, everything))?.total ?? 0,
    finalMinute,
  }
}

/**
 * Shifts the clock that processes share so that a minute ends in `ms`, instead of waiting for one.
 * Returns it as told by this machine's clock, which Postgres shares with the test.
 */
async function sharedClock(url: string, ms: number): Promise<() => number> {
  const shiftMs = Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS - Date.now() - ms
  await runSql(
    url,
    `create or replace function shared_instant() returns bigint
       language sql stable parallel safe
       return floor(extract(epoch from transaction_timestamp()) * 1000)::bigint + ${shiftMs}`,
  )
  return () => Date.now() + shiftMs
}

async function until(instant: number, now: () => number): Promise<void> {
  await pause(Math.max(0, instant - now()))
}

async function readUntil(
  isOver: () => boolean,
  origin: string,
  range: { from: number; to: number },
): Promise<Answer[]> {
  const answers: Answer[] = []
  while (!isOver()) {
    const answer = await ask(origin, range)
    if (answer !== undefined) answers.push(answer)
    await pause(READ_PAUSE_MS)
  }
  return answers
}

/** Undefined when the store is away. */
async function ask(
  origin: string,
  { from, to }: { from: number; to: number },
): Promise<Answer | undefined> {
  const answer = await fetch(`${origin}/stats/7?tsFrom=${from}&tsTo=${to}`)
  if (answer.status === 503) return undefined
  const { total, completeUntil, partial } = (await answer.json()) as {
    total: number
    completeUntil: string
    partial: boolean
  } // GET /stats/:bannerId of the contract
  return { total, completeUntil: Date.parse(completeUntil), isPartial: partial }
}

async function lateClicks(services: readonly Service[]): Promise<number> {
  let late = 0
  for (const { origin } of services) {
    const metrics = await (await fetch(`${origin}/metrics`)).text()
    late += Number(/^tallymark_clicks_late_total (\d+)$/m.exec(metrics)?.[1])
  }
  return late
}
