// The part of the contract of CountStore that is about minutes which are given up, as tests.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import * as fc from 'fast-check'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import type { Click } from '../../src/click.ts'
import { DAY_MS, floorTo, MINUTE_MS, QUARTER_MS } from '../../src/minute.ts'
import { slicesOf } from '../../src/query/series.ts'
import type { CountStore, Slice } from '../../src/store/count-store.ts'
import { runs } from '../support/properties.ts'
import type { OpenedStore } from './count-store.ts'

const NOON = Date.UTC(2024, 11, 10, 12)
const MIDNIGHT = NOON - DAY_MS / 2
const ALL_TIME = { from: 0, to: 100_000 * DAY_MS }
/** Longer than either store leaves a batch as it came. */
const MERGED_AFTER_MS = 1_000
const ROWS = 10_000

function minutesOf(range: { from: number; to: number }): Slice[] {
  return [{ resolution: 'minute', ...range }]
}

async function rowsOf(store: CountStore, slices: readonly Slice[], bannerId = 1) {
  const { rows, minutesFrom } = await store.series([bannerId], 'click', slices)
  const [series] = rows
  assert.ok(series !== undefined)
  return {
    rows: Array.from(series.at, (at, index) => [at, series.count[index]]),
    minutesFrom,
  }
}

async function totalOf(store: CountStore, slices: readonly Slice[]): Promise<number> {
  const { rows } = await store.totals('click', slices)
  return rows.reduce((sum, { total }) => sum + total, 0)
}

/** Commits clicks of the first banner at these instants, one batch a call. */
async function seeded(open: () => Promise<OpenedStore>) {
  const store = await open()
  await store.addAll([{ id: 1, name: 'Banner 1', url: null, status: 'active' }], 'onlyFirst')
  let next = await store.open('writer:a', 0n)
  const count = async (instants: readonly number[]): Promise<void> => {
    const span = { source: 'writer:a', from: next, to: (next += 1n), batchId: randomUUID() }
    const clicks = instants.map((at): Click => ({ bannerId: 1, tally: 'click', at }))
    assert.equal(await store.commit(aggregate({ span, clicks })), 'counted')
  }
  /** What `RETENTION_MINUTES_DAYS` would have to be for minutes to be kept from the day of `at` on. */
  const retentionUntil = (at: number): number =>
    store.clock.now() - floorTo(at, DAY_MS) - DAY_MS / 2
  return { store, count, retentionUntil, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
}

/** `open` gives an empty store. */
export function testKeptMinutes(name: string, open: () => Promise<OpenedStore>): void {
  test(`${name}: I20: before the boundary a quarter counts at its first minute, merged or not`, async () => {
    await using opened = await seeded(open)
    const { store, count } = opened
    const clicks = [NOON + 4 * MINUTE_MS, NOON + QUARTER_MS - 1, NOON + DAY_MS + MINUTE_MS]
    await count(clicks)
    const { rows: before, minutesFrom: none } = await rowsOf(store, minutesOf(ALL_TIME))
    assert.equal(none, 0)
    assert.equal(before.length, 3)
    const check = async (times: number, what: string): Promise<void> => {
      const { rows, minutesFrom } = await rowsOf(store, minutesOf(ALL_TIME))
      assert.equal(minutesFrom, MIDNIGHT + DAY_MS, what)
      assert.deepEqual(
        rows,
        [
          [NOON, 2 * times],
          [NOON + DAY_MS + MINUTE_MS, times],
        ],
        what,
      )
      const first = { from: NOON, to: NOON + MINUTE_MS }
      const rest = { from: NOON + MINUTE_MS, to: NOON + QUARTER_MS }
      assert.equal(await totalOf(store, slicesOf(first)), 2 * times, what)
      assert.equal(await totalOf(store, slicesOf(rest)), 0, what)
      assert.equal(await totalOf(store, slicesOf(ALL_TIME)), 3 * times, what)
      for (const [resolution, sizes] of [
        ['quarter', [2 * times, times]],
        ['day', [2 * times, times]],
      ] as const) {
        const { rows: coarse } = await rowsOf(store, [{ resolution, ...ALL_TIME }])
        assert.deepEqual(
          coarse.map(([, sum]) => sum),
          sizes,
          what,
        )
      }
    }
    assert.equal(await store.purgeMinutes(opened.retentionUntil(NOON + DAY_MS), 0), 0)
    await check(1, 'nothing is merged, nothing deleted')
    await pause(MERGED_AFTER_MS)
    await check(1, 'merged, and nothing deleted')
    assert.ok((await store.purgeMinutes(opened.retentionUntil(NOON + DAY_MS), ROWS)) > 0)
    await check(1, 'deleted')
    await count(clicks)
    await check(2, 'counted late, and not merged')
    await pause(MERGED_AFTER_MS)
    await check(2, 'counted late, and merged')
    assert.ok((await store.purgeMinutes(opened.retentionUntil(NOON), ROWS)) > 0)
    assert.equal(await store.purgeMinutes(opened.retentionUntil(NOON), ROWS), 0)
    await check(2, 'counted late, and deleted; the boundary has not gone back')
  })

  test(`${name}: O21: a step deletes no more than it is told, and nothing that is kept`, async () => {
    await using opened = await seeded(open)
    const { store, count } = opened
    // A row each, whether rows are of minutes or of hours.
    const hours = Array.from({ length: 60 }, (_, hour) => MIDNIGHT + hour * 4 * QUARTER_MS)
    await count(hours)
    await pause(MERGED_AFTER_MS)
    const retentionMs = opened.retentionUntil(MIDNIGHT + DAY_MS)
    const steps: number[] = []
    for (let step = 0; step < 5; step += 1) steps.push(await store.purgeMinutes(retentionMs, 10))
    assert.deepEqual(steps, [10, 10, 4, 0, 0])
    const kept = await rowsOf(store, minutesOf({ from: MIDNIGHT + DAY_MS, to: ALL_TIME.to }))
    assert.deepEqual(
      kept.rows,
      hours.slice(24).map((hour) => [hour, 1]),
    )
    assert.equal(await totalOf(store, slicesOf(ALL_TIME)), 60)
  })

  test(`${name}: I20: an answer has every click once while minutes are given up`, async () => {
    await using opened = await seeded(open)
    const { store, count } = opened
    const days = 20
    const clicks = Array.from(
      { length: days * 48 },
      (_, index) => MIDNIGHT + index * 2 * QUARTER_MS + (index % 30) * MINUTE_MS,
    )
    await count(clicks)
    await pause(MERGED_AFTER_MS)
    let isPurging = true
    let isReading = true
    let answers = 0
    const purging = (async (): Promise<void> => {
      for (let day = 1; day <= days; day += 1) {
        const retentionMs = opened.retentionUntil(MIDNIGHT + day * DAY_MS)
        while ((await store.purgeMinutes(retentionMs, 7)) > 0);
        // Once a day it moves, and not in the middle of every question.
        for (const since = answers; isReading && answers === since;) await pause(1)
      }
      isPurging = false
    })()
    using _ = { [Symbol.dispose]: () => void (isReading = false) }
    const seen = new Set<number>()
    purging.catch(() => {}) // seen below
    while (isPurging) {
      const { rows, minutesFrom } = await rowsOf(store, minutesOf(ALL_TIME))
      const expected = Map.groupBy(clicks, (at) =>
        floorTo(at, at < minutesFrom ? QUARTER_MS : MINUTE_MS),
      )
      assert.deepEqual(
        rows,
        [...expected]
          .map(([at, those]) => [at, those.length])
          .toSorted(([a = 0], [b = 0]) => a - b),
      )
      const odd = { from: MIDNIGHT + MINUTE_MS, to: MIDNIGHT + days * DAY_MS - MINUTE_MS }
      const inOdd = await store.totals('click', slicesOf(odd))
      assert.equal(
        inOdd.rows[0]?.total,
        clicks.filter((at) => {
          const minute = floorTo(at, at < inOdd.minutesFrom ? QUARTER_MS : MINUTE_MS)
          return odd.from <= minute && minute < odd.to
        }).length,
      )
      seen.add(minutesFrom)
      answers += 1
    }
    await purging
    assert.ok(seen.size > 3, `the answers have seen ${seen.size} boundaries`)
  })

  test(`${name}: I20: however commits, merges and purges alternate, answers are what a model says`, async () => {
    const move = fc.oneof(
      fc.record({ kind: fc.constant('count'), minutes: fc.array(fc.nat(4 * 1_440)) }),
      fc.record({ kind: fc.constant('purge'), day: fc.nat(5), limit: fc.nat(40) }),
      fc.record({ kind: fc.constant('merge') }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(move, { maxLength: 8 }),
        fc.nat(4 * 1_440),
        async (moves, split) => {
          await using opened = await seeded(open)
          const { store } = opened
          const clicks: number[] = []
          let boundary = 0
          for (const each of moves) {
            if ('minutes' in each) {
              const instants = each.minutes.map((minute) => MIDNIGHT + minute * MINUTE_MS)
              await opened.count(instants)
              clicks.push(...instants)
            } else if ('day' in each) {
              const until = MIDNIGHT + each.day * DAY_MS
              await store.purgeMinutes(opened.retentionUntil(until), each.limit)
              boundary = Math.max(boundary, until)
            } else await pause(250)
            const { minutesFrom, rows } = await rowsOf(store, minutesOf(ALL_TIME))
            assert.equal(minutesFrom, boundary)
            const minutes = clicks.map((at) => floorTo(at, at < boundary ? QUARTER_MS : MINUTE_MS))
            const model = new Map<number, number>()
            for (const at of minutes) model.set(at, (model.get(at) ?? 0) + 1)
            assert.deepEqual(
              rows,
              [...model].toSorted(([a], [b]) => a - b),
            )
            const at = MIDNIGHT + split * MINUTE_MS
            const before = await totalOf(store, slicesOf({ from: 0, to: at }))
            const after = await totalOf(store, slicesOf({ from: at, to: ALL_TIME.to }))
            assert.equal(before, minutes.filter((minute) => minute < at).length)
            assert.equal(before + after, clicks.length)
          }
        },
      ),
      runs(15),
    )
  })
}
