import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as fc from 'fast-check'
import { inEachShape, jsonOf, type TestApp } from '../support/app.ts'
import { insertPast, type PastCount } from '../support/past.ts'
import { runs } from '../support/properties.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const FIRST = Date.UTC(2024, 9, 3)
const DAYS = 33
const STEPS = ['minute', 'hour', 'day', 'week', 'month'] as const
/** Offsets of whole, half and quarter hours, and clocks that change within these days. */
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Asia/Tehran',
  'Pacific/Chatham',
  'Africa/Casablanca',
  'America/Sao_Paulo',
] as const

interface Asked {
  readonly from: number
  readonly to: number
  readonly total: number
  readonly counts: readonly { readonly timestamp: string; readonly count: number }[]
}

const COUNTS = fc.sample(
  fc.tuple(fc.constantFrom(7, 42), fc.nat(DAYS * 1_440 - 1), fc.integer({ min: 1, max: 9 })),
  { numRuns: 3_000, seed: 42 },
)
const byMinute = COUNTS.map(([bannerId, minute, count]) => ({
  bannerId,
  at: FIRST + minute * MINUTE_MS,
  count,
}))

const perMinute = new Map([7, 42].map((id) => [id, new Uint32Array(DAYS * 1_440)]))
for (const { bannerId, at, count } of byMinute) {
  const counts = perMinute.get(bannerId) ?? new Uint32Array()
  const minute = (at - FIRST) / MINUTE_MS
  counts[minute] = (counts[minute] ?? 0) + count
}

/** Minute by minute: what a range holds. */
function naive(bannerId: number, from: number, to: number): number {
  let sum = 0
  for (let at = from; at < to; at += MINUTE_MS) {
    sum += perMinute.get(bannerId)?.[(at - FIRST) / MINUTE_MS] ?? 0
  }
  return sum
}

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
    await insertPast(
      app,
      byMinute.map(({ bannerId, at, count }): PastCount => [
        bannerId,
        new Date(at).toISOString(),
        count,
      ]),
    )
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  async function ask(range: { from: number; to: number }, parameters: Record<string, string>) {
    const query = new URLSearchParams({
      tsFrom: String(range.from),
      tsTo: String(range.to),
      ...parameters,
    })
    const answer = await jsonOf(await fetch(`${app.origin}/stats/42?${query.toString()}`))
    return {
      from: Date.parse(String(answer['tsFrom'])),
      to: Date.parse(String(answer['tsTo'])),
      total: answer['total'],
      counts: answer['counts'],
    } as Asked // GET /stats/:bannerId of the contract
  }

  test('minutes = hours = days = weeks = months = total, in every zone, for any range and split', async () => {
    const instant = fc.integer({ min: FIRST - DAY_MS, max: FIRST + (DAYS + 1) * DAY_MS })
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(instant, instant).filter(([a, b]) => a !== b),
        fc.constantFrom(...ZONES),
        fc.nat(),
        async (ends, tz, pick) => {
          const range = { from: Math.min(...ends), to: Math.max(...ends) }
          for (const step of STEPS) {
            const whole = await ask(range, { step, tz })
            assert.ok(whole.from <= range.from && whole.to >= range.to)
            assert.equal(whole.total, naive(42, whole.from, whole.to), `${step} in ${tz}`)
            assert.equal(
              whole.total,
              whole.counts.reduce((sum, { count }) => sum + count, 0),
            )
            const minutes = await ask(whole, { step: 'minute', tz })
            assert.deepEqual([minutes.from, minutes.to], [whole.from, whole.to])
            assert.equal(minutes.total, whole.total)
            if (step === 'minute') continue
            const filled = await ask(whole, { step, tz, fill: 'zero' })
            const starts = filled.counts.map(({ timestamp }) => Date.parse(timestamp))
            assert.equal(starts[0], whole.from)
            for (const [index, { count }] of filled.counts.entries()) {
              const [from = 0, to = whole.to] = starts.slice(index, index + 2)
              assert.equal(count, naive(42, from, to), `${step} in ${tz}`)
            }
            const split = starts[pick % starts.length] ?? whole.from
            if (split === whole.from) continue
            const [left, right] = [
              await ask({ from: whole.from, to: split }, { step, tz }),
              await ask({ from: split, to: whole.to }, { step, tz }),
            ]
            assert.deepEqual([left.to, right.from], [split, split])
            assert.equal(left.total + right.total, whole.total)
            assert.deepEqual([...left.counts, ...right.counts], whole.counts)
          }
        },
      ),
      runs(15),
    )
  })

  test('the totals of all banners are those of their series', async () => {
    const minute = fc.integer({ min: -1_440, max: (DAYS + 1) * 1_440 })
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(minute, minute).filter(([a, b]) => a !== b),
        async (ends) => {
          const from = FIRST + Math.min(...ends) * MINUTE_MS
          const to = FIRST + Math.max(...ends) * MINUTE_MS
          const answer = await jsonOf(await fetch(`${app.origin}/stats?tsFrom=${from}&tsTo=${to}`))
          assert.equal(answer['total'], naive(7, from, to) + naive(42, from, to))
          const banners = answer['banners'] as { bannerID: number; total: number }[]
          for (const { bannerID, total } of banners) {
            assert.equal(total, naive(bannerID, from, to))
          }
        },
      ),
      runs(30),
    )
  })
})
