// Minutes are given up while clicks arrive and the process is killed.
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { fillHistory } from '../support/history.ts'
import { emptyResult, runLoad } from '../support/load.ts'
import {
  freePort,
  startService,
  temporaryFolder,
  totalOf,
  type Service,
} from '../support/service.ts'

const MINUTE_MS = 60_000
const DAY_MS = 1_440 * MINUTE_MS
const BANNERS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
const DAYS = 7
const KILLS = 3
const PURGED_TIMEOUT_MS = 120_000

test('I20: kill -9 in the middle of giving up minutes loses and doubles no click', async () => {
  using folder = temporaryFolder()
  const settings = {
    DATA_DIR: folder.path,
    PORT: String(await freePort()),
    RETENTION_MINUTES_DAYS: '1',
  }
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS
  const history = { from: today - DAYS * DAY_MS, to: today }
  await new SqliteDatabase({ folder: folder.path })[Symbol.asyncDispose]() // makes the tables
  fillHistory({ folder: folder.path, bannerIds: BANNERS, ...history, countOf: () => 1 })
  const before = (BANNERS.length * (history.to - history.from)) / MINUTE_MS
  const result = emptyResult()
  const rows: number[] = []
  for (let kill = 0; kill < KILLS; kill += 1) {
    const service = await startService(settings)
    let isOver = false
    const load = runLoad({
      origin: service.origin,
      connections: 8,
      result,
      next: () => (isOver ? undefined : { path: `/counter/${1 + (result.acknowledged % 10)}` }),
    })
    await untilPurging(service)
    rows.push(minuteRowsIn(folder.path, history.from, history.to))
    await service.kill()
    isOver = true
    await load
  }
  // Each start went on where the one before was killed, and none was over.
  assert.ok(
    rows.every(
      (left, kill) => left > 2 * 1_440 * BANNERS.length && left < (rows[kill - 1] ?? before),
    ),
    `${rows.join(', ')} rows were left`,
  )

  await using service = await startService(settings)
  const minutesFrom = await untilPurged(service, folder.path)
  const counted = (await totalOf(service.origin)) - before
  assert.ok(counted >= result.acknowledged, `lost: ${result.acknowledged - counted}`)
  assert.ok(counted <= result.acknowledged + result.unanswered, `doubled: ${counted}`)
  const day = `${service.origin}/stats?tsFrom=${minutesFrom}`
  for (const [path, total] of [
    [`${day}&tsTo=${minutesFrom + DAY_MS}`, BANNERS.length * 1_440],
    [`${day}&tsTo=${minutesFrom + 7 * MINUTE_MS}`, BANNERS.length * 7],
    [`/stats?tsFrom=${minutesFrom - 20 * MINUTE_MS}&tsTo=${minutesFrom}`, BANNERS.length * 15],
    [
      `/stats?tsFrom=${history.from}&tsTo=${minutesFrom}`,
      before - (BANNERS.length * (today - minutesFrom)) / MINUTE_MS,
    ],
  ] as const) {
    const answer = await fetch(new URL(path, service.origin))
    assert.equal(Number(answer.headers.get('tallymark-total')), total, path)
  }
  assert.equal(await service.stop(), 0)
})

/** Until the service has deleted some rows since its start. */
async function untilPurging(service: Service): Promise<void> {
  const deadline = performance.now() + PURGED_TIMEOUT_MS
  while ((await purgedBy(service)) < 2_000) {
    assert.ok(performance.now() < deadline, 'nothing is purged')
    await pause(10)
  }
}

/** Until no minute is left before the boundary; returns it. */
async function untilPurged(service: Service, folder: string): Promise<number> {
  const deadline = performance.now() + PURGED_TIMEOUT_MS
  const answer = await fetch(`${service.origin}/stats?tsFrom=0&tsTo=60`)
  const minutesFrom = Date.parse(answer.headers.get('tallymark-minutes-from') ?? '')
  while (minuteRowsIn(folder, 0, minutesFrom) > 0) {
    assert.ok(performance.now() < deadline, 'minutes are left')
    await pause(50)
  }
  return minutesFrom
}

async function purgedBy(service: Service): Promise<number> {
  const metrics = await (await fetch(`${service.origin}/metrics`)).text()
  return Number(/^tallymark_minute_rows_purged_total (\d+)$/m.exec(metrics)?.[1])
}

function minuteRowsIn(folder: string, from: number, to: number): number {
  using database = new DatabaseSync(join(folder, 'tallymark.sqlite'), {
    readOnly: true,
    timeout: 5_000,
  })
  const row = database
    .prepare('select count(*) as rows from minute_counts where minute >= ? and minute < ?')
    .get(from / MINUTE_MS, to / MINUTE_MS)
  return Number(row?.['rows'])
}
