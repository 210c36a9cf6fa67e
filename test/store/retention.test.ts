// Minutes that are given up, where several processes share a Postgres and where Kafka is the log.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, floorTo, HOUR_MS, MINUTE_MS } from '../../src/minute.ts'
import type { PostgresDatabase } from '../../src/store/postgres/database.ts'
import { hold, runSql } from '../support/database.ts'
import { batchIn, completeBy, opened } from '../support/partitions.ts'
import {
  batchOf,
  clickOf,
  emptyDatabase,
  NOON,
  openAt,
  untilMerged,
} from '../support/postgres-store.ts'

const BANNERS = 3
const DAYS = 40
const FIRST_DAY = floorTo(NOON, DAY_MS)
const ALWAYS = { from: 0, to: 100_000 * DAY_MS }
const MINUTES = [{ resolution: 'minute', ...ALWAYS }] as const
const QUARTERS = [{ resolution: 'quarter', ...ALWAYS }] as const

/** One click in the seventh minute of every hour of so many days, merged. */
async function fill(url: string): Promise<void> {
  await runSql(
    url,
    `select add_minute(minute, '{1,2,3}', '{1,1,1}', '{1,1,1}')
     from generate_series(
       ${FIRST_DAY / MINUTE_MS + 7}, ${(FIRST_DAY + DAYS * DAY_MS) / MINUTE_MS - 1}, 60
     ) as minute`,
  )
}

function retentionUntil(store: PostgresDatabase, day: number): number {
  return store.clock.now() - (FIRST_DAY + day * DAY_MS) - DAY_MS / 2
}

async function minutesFromOf(url: string): Promise<number> {
  const [row] = await runSql(url, 'select minutes_from from retention')
  return Number(row?.['minutes_from']) * MINUTE_MS
}

test('O21: processes that purge at once delete each row once, beside one that merges', async () => {
  const { url } = await emptyDatabase()
  await using closing = new AsyncDisposableStack()
  const stores = await Promise.all([1, 2, 3].map(async () => closing.use(await openAt(url))))
  await fill(url)
  await stores[0]?.open('writer:a', 0n)
  let position = 0n
  let isPurging = true
  const counting = (async () => {
    for (; isPurging; position += 1n) {
      const clicks = [1, 2, 3].map((id) =>
        clickOf(id, FIRST_DAY + Number(position % 900n) * HOUR_MS),
      )
      await stores[0]?.commit(batchOf('writer:a', position, clicks))
    }
  })()
  // They do not agree on the boundary: the latest one stands.
  const purged = await Promise.all(
    stores.map(async (store, index) => {
      let [rows, idle] = [0, 0]
      while (idle < 3) {
        const step = await store.purgeMinutes(retentionUntil(store, DAYS - 1 - index), 20)
        rows += step
        idle = step === 0 ? idle + 1 : 0
      }
      return rows
    }),
  )
  isPurging = false
  await counting
  await untilMerged(url)
  assert.equal(await minutesFromOf(url), FIRST_DAY + (DAYS - 1) * DAY_MS)
  for (const store of stores) {
    while ((await store.purgeMinutes(retentionUntil(store, 0), 1_000)) > 0);
  }
  const all = purged.reduce((sum, rows) => sum + rows, 0)
  assert.ok(all >= BANNERS * 24 * (DAYS - 1), `${all} rows`)
  const clicks = BANNERS * (24 * DAYS + Number(position))
  const [sums] = await runSql(
    url,
    `select (select sum(count)::int from quarter_counts, unnest(counts) as count) as quarters,
       (select sum(count)::int from day_counts) as days,
       (select min(hour)::int from minute_counts) as first`,
  )
  const first = (FIRST_DAY + (DAYS - 1) * DAY_MS) / HOUR_MS
  assert.deepEqual(sums, { quarters: clicks, days: clicks, first })
  for (const store of stores) {
    const { rows, minutesFrom } = await store.totals('click', MINUTES)
    assert.equal(minutesFrom, FIRST_DAY + (DAYS - 1) * DAY_MS)
    assert.equal(
      rows.reduce((sum, { total }) => sum + total, 0),
      clicks,
    )
  }
})

test('O21: a purge waits for no row that others hold, and takes it later', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await fill(url)
  const retentionMs = retentionUntil(store, 1)
  {
    await using lock = await hold(url, 'select from minute_counts where banner_id = 2 for update')
    assert.equal(await store.purgeMinutes(retentionMs, 1_000), 2 * 24)
    assert.equal(await store.purgeMinutes(retentionMs, 1_000), 0)
    await lock.free()
  }
  assert.equal(await store.purgeMinutes(retentionMs, 1_000), 24)
})

test('I20: an answer goes by the boundary of its own snapshot, whichever process moved it', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await using other = await openAt(url)
  await fill(url)
  for (const day of [0, 1, 5]) {
    // The other one still plans with the boundary before, whose minutes are gone.
    if (day > 0) while ((await store.purgeMinutes(retentionUntil(store, day), 100)) > 0);
    const { rows, minutesFrom } = await other.series([1, 3], 'click', MINUTES)
    assert.equal(minutesFrom, day === 0 ? 0 : FIRST_DAY + day * DAY_MS)
    const expected = Array.from({ length: DAYS * 24 }, (_, hour) => {
      const isGone = FIRST_DAY + hour * HOUR_MS < minutesFrom
      return FIRST_DAY + hour * HOUR_MS + (isGone ? 0 : 7 * MINUTE_MS)
    })
    for (const { at } of rows) assert.deepEqual([...at], expected)
  }
  // A database that was restored from before: the minutes are back, and so is the answer.
  await runSql(url, 'update retention set minutes_from = 0')
  const { minutesFrom } = await other.series([1], 'click', QUARTERS)
  assert.equal(minutesFrom, 0)
})

test('I20: what is not counted yet holds the boundary back, by the log and not by the clock', async () => {
  const { url, store } = await opened([0n])
  await using _ = store
  const behind = store.clock.now() - 10 * DAY_MS
  await runSql(url, `update partitions set complete_until = ${behind}`)
  await store.purgeMinutes(2 * DAY_MS, 10)
  assert.equal(await minutesFromOf(url), floorTo(behind - 2 * DAY_MS, DAY_MS))
  // A log that was found full is complete until nothing.
  await runSql(
    url,
    'update partitions set complete_until = 0; update retention set minutes_from = 0',
  )
  await store.purgeMinutes(2 * DAY_MS, 10)
  assert.equal(await minutesFromOf(url), 0)
  const clicks = [clickOf(1, behind), clickOf(1, behind + MINUTE_MS)]
  await store.commit(batchIn(0, 0n, 2n, { clicks }))
  await completeBy(store, store.clock.now())
  await store.purgeMinutes(2 * DAY_MS, 10)
  const { rows } = await store.totals('click', MINUTES)
  assert.equal(rows[0]?.total, 2)
})
