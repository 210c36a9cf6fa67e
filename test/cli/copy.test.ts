// `tallymark copy` between real stores, beside services that count.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { jsonOf, startTestApp } from '../support/app.ts'
import { contentsOf, sumOf } from '../support/contents.ts'
import {
  QUIET,
  nameOf,
  storeOf,
  copy,
  copied,
  post,
  addBanner,
  fill,
  MOVES,
} from '../support/copies.ts'
import { createDatabase, hold, runSql } from '../support/database.ts'
import { insertPast, runInStore } from '../support/past.ts'
import { runCommand, runProgram } from '../support/service.ts'
import { createPlace, SHAPES, type TestPlace } from '../support/shapes.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

for (const [one, other] of MOVES) {
  test(`O22: from ${one} to ${other} comes all that the installation is, and nothing twice`, async () => {
    await using from = await createPlace(one)
    await using to = await createPlace(other)
    await fill(from)
    const before = await contentsOf(nameOf(from))
    assert.equal(
      await copied(from, to),
      `Copied 100016 clicks, 13 new or changed banners, and 3 keys.
Compared 4 sums, one for each banner and day: the source has 100016 clicks, the target 100016.
`,
    )
    assert.deepEqual(await contentsOf(nameOf(to)), before)
    assert.match(
      await copied(from, to),
      /^Copied 0 clicks, 0 new or changed banners, and 0 keys\.$/m,
    )
    assert.deepEqual(await contentsOf(nameOf(to)), before)
    assert.deepEqual(await contentsOf(nameOf(from)), before, 'the source is as it was')

    await using app = await startTestApp({ ...QUIET, ...to.settings })
    assert.doesNotMatch(app.log(), /First start/)
    for (const key of ['a', 'b', 'c']) await post(app.origin, '/counter/7', key)
    await post(app.origin, '/counter/7', 'd')
    const answer = await jsonOf(
      await fetch(`${app.origin}/stats?tsFrom=0&tsTo=2100-01-01T00:00:00Z`),
    )
    assert.equal(answer['total'], 100_017, 'a click that is sent again is the one that was copied')
    assert.equal(await addBanner(app.origin, 'Later'), 11)
    assert.equal((await fetch(`${app.origin}/counter/42`, { method: 'POST' })).status, 410)
  })
}

for (const [one, other] of MOVES) {
  test(`O22: what ${one} has given up of its minutes is told to the quarter by ${other}, too`, async () => {
    await using from = await createPlace(one)
    await using to = await createPlace(other)
    await fill(from)
    const [boundary, hour] = [Date.parse('2024-12-11T00:00Z') / 60_000, 60]
    const given = one === 'SQLite' ? `minute < ${boundary}` : `hour < ${boundary / hour}`
    await runInStore(
      storeOf(from),
      `update retention set minutes_from = ${boundary}; delete from minute_counts where ${given}`,
    )
    await copied(from, to)
    assert.match(await copied(from, to), /^Copied 0 clicks/)
    await using app = await startTestApp({ ...QUIET, ...to.settings })
    const { total, counts, minutesFrom } = await jsonOf(
      await fetch(`${app.origin}/stats/7?tsFrom=2024-12-10T00:00:00Z&tsTo=2024-12-12T00:00:00Z`),
    )
    assert.equal(minutesFrom, '2024-12-11T00:00:00Z')
    assert.deepEqual(
      [total, counts],
      [
        8,
        [
          { timestamp: '2024-12-10T12:00:00Z', bannerID: 7, count: 7 },
          { timestamp: '2024-12-10T23:45:00Z', bannerID: 7, count: 1 },
        ],
      ],
    )
  })
}

for (const [one, other] of MOVES) {
  test(`O22: beside a service that counts in ${one}, each copy adds what is new, and the last one has all`, async () => {
    await using from = await createPlace(one)
    await using to = await createPlace(other)
    const sent = { clicks: 0, keys: 0 }
    {
      await using app = await startTestApp({ ...QUIET, ...from.settings })
      let isOver = false
      const sending = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const key = sent.clicks % 3 === 0 ? `key-${(sent.keys += 1)}` : undefined
          sent.clicks += 1
          await post(app.origin, `/counter/${1 + (sent.clicks % 9)}`, key)
        }
      })
      try {
        let last = 0
        for (let copies = 0; copies < 4; copies += 1) {
          await copied(from, to)
          const { minutes, quarters, days } = await contentsOf(nameOf(to))
          assert.ok(sumOf(minutes) > last, 'nothing was counted meanwhile')
          last = sumOf(minutes)
          assert.deepEqual([sumOf(quarters), sumOf(days)], [last, last])
          assert.ok(last <= sent.clicks)
          if (copies === 2) {
            await fetch(`${app.origin}/banners/9`, {
              method: 'PATCH',
              headers: { 'content-type': 'application/json' },
              body: '{"name":"Another name"}',
            })
          }
        }
      } finally {
        isOver = true
        await Promise.all(sending)
      }
    }
    await copied(from, to)
    const [source, target] = [await contentsOf(nameOf(from)), await contentsOf(nameOf(to))]
    assert.deepEqual(target, source)
    assert.equal(sumOf(target.minutes), sent.clicks)
    assert.ok(target.banners.some((line) => line.startsWith('9|Another name|')))
  })
}

/** Many days of many banners, merged as a service does. */
async function fillPast(place: TestPlace): Promise<void> {
  assert.equal((await runCommand(place.folder, ['migrate'], place.settings)).exitCode, 0)
  const days = `with recursive days (day) as (select 20000 union all select day + 1 from days where day < 20059),
    ids (id) as (select 1 union all select id + 1 from ids where id < 100)`
  await runInStore(
    storeOf(place),
    `${days} insert into banners (id, name, status, created_at, version) select id, 'Banner', 'active', 0, 1 from ids;
     update registry set version = 1;
     ${days} insert into minute_counts select id, 1, day * 1440 + id, 2 from days, ids;
     ${days} insert into minute_counts select id, 1, day * 1440 + 1439, 3 from days, ids;
     ${days} insert into quarter_counts select id, 1, day * 96 + id / 15, 2 from days, ids;
     ${days} insert into quarter_counts select id, 1, day * 96 + 95, 3 from days, ids;
     ${days} insert into day_counts select id, 1, day, 5 from days, ids;
     ${days} insert into keys select id, cast(randomblob(16) as blob), 1700000000000 + day from days, ids`,
  )
}

function startCopy(from: TestPlace, to: TestPlace) {
  const args = [MAIN, 'copy', '--from', nameOf(from), '--to', nameOf(to)]
  const child = spawn(process.execPath, args, { cwd: from.folder, stdio: 'ignore' })
  const ended = once(child, 'exit')
  return {
    ended,
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Kills a copy after a while, unless it has ended by then. */
async function killedCopy(from: TestPlace, to: TestPlace, afterMs: number): Promise<void> {
  const copying = startCopy(from, to)
  const timer = setTimeout(() => void copying.kill(), afterMs)
  await copying.ended
  clearTimeout(timer)
}

test('O22: a copy to Postgres that is killed between two tables leaves none of the page', async () => {
  await using from = await createPlace('SQLite')
  await using to = await createPlace('Postgres')
  await fill(from)
  assert.equal((await runCommand(to.folder, ['migrate'], to.settings)).exitCode, 0)
  await using quarters = await hold(nameOf(to), 'lock table quarter_counts in exclusive mode')
  const copying = startCopy(from, to)
  await quarters.waiting('into quarter_counts', 1)
  await copying.kill()
  await quarters.free()
  await untilAlone(nameOf(to))
  const { minutes, quarters: found, days, keys } = await contentsOf(nameOf(to))
  assert.deepEqual([minutes, found, days, keys.length], [{}, {}, {}, 3])
  await copied(from, to)
  assert.deepEqual(await contentsOf(nameOf(to)), await contentsOf(nameOf(from)))
})

/** Until the server has noticed that a copy is gone. */
async function untilAlone(url: string): Promise<void> {
  const deadline = performance.now() + 60_000
  const others = `select from pg_stat_activity
    where datname = current_database() and application_name = 'tallymark copy'`
  while ((await runSql(url, others)).length > 0) {
    assert.ok(performance.now() < deadline, 'the copy is not gone')
    await pause(20)
  }
}

/** A copy is killed later each time, by this part of how long one took. */
const STEPS = 30

for (const other of SHAPES) {
  test(`O22: killed at any moment, a copy to ${other} can be run again, and doubles nothing`, async () => {
    await using from = await createPlace('SQLite')
    await using rehearsal = await createPlace(other)
    await using to = await createPlace(other)
    await fillPast(from)
    const source = await contentsOf(nameOf(from))
    const began = performance.now()
    await copied(from, rehearsal)
    const tookMs = performance.now() - began
    assert.equal((await runCommand(to.folder, ['migrate'], to.settings)).exitCode, 0)
    const seen = new Set<number>()
    for (let kill = 0; kill < 3 * STEPS && seen.size < 2; kill += 1) {
      await killedCopy(from, to, tookMs * (0.3 + kill / STEPS))
      const { minutes, quarters, days } = await contentsOf(nameOf(to))
      assert.deepEqual([sumOf(quarters), sumOf(days)], [sumOf(minutes), sumOf(minutes)])
      for (const [slot, count] of Object.entries(minutes)) {
        assert.ok(count <= Number(source.minutes[slot]), `${slot} was doubled`)
      }
      if (sumOf(minutes) === sumOf(source.minutes)) break
      if (sumOf(minutes) > 0) seen.add(sumOf(minutes))
    }
    assert.ok(seen.size > 0, 'no kill came in the middle: the test shows nothing')
    await copied(from, to)
    assert.deepEqual(await contentsOf(nameOf(to)), source)
  })

  test(`O22: of two copies to ${other} at once none doubles anything`, async () => {
    await using from = await createPlace('SQLite')
    await using to = await createPlace(other)
    await fillPast(from)
    assert.equal((await runCommand(to.folder, ['migrate'], to.settings)).exitCode, 0)
    const both = await Promise.all([copy(from, to), copy(from, to)])
    assert.ok(
      both.some(({ exitCode }) => exitCode === 0),
      both.map(({ stderr }) => stderr).join(''),
    )
    for (const { exitCode, stderr } of both) {
      if (exitCode === 0) continue
      assert.match(
        stderr,
        /Another copy into Postgres at .* is at work|is in use by another Tallymark/,
      )
    }
    assert.deepEqual(await contentsOf(nameOf(to)), await contentsOf(nameOf(from)))
  })
}

test('O22: what the target has counted itself stays, and is told apart', async () => {
  await using from = await createPlace('SQLite')
  await using to = await createPlace('Postgres')
  await fill(from)
  {
    // Banners 1 to 9 are the same ones at both ends: name and URL are equal.
    await using app = await startTestApp({ ...QUIET, ...to.settings })
    for (let clicks = 0; clicks < 3; clicks += 1) await post(app.origin, '/counter/7')
    await post(app.origin, '/counter/7', 'a')
  }
  const output = await copied(from, to)
  assert.match(output, /the source has 100016 clicks, the target 100020\.$/m)
  assert.match(
    output,
    /^The target has 4 more: what it has counted, imported or copied otherwise\.$/m,
  )
  assert.match(output, /^Both services were sent 1 key: those clicks are counted twice/m)
  assert.match(await copied(from, to), /^Copied 0 clicks/m)
  const { days } = await contentsOf(nameOf(to))
  assert.equal(sumOf(days), 100_020)
})

test('O22: what both ends have imported of the original service is not doubled, now or later', async () => {
  await using from = await createPlace('SQLite')
  await using to = await createPlace('Postgres')
  await using original = await createDatabase()
  await runSql(
    original.url,
    `create table banner_stats (banner_id bigint, hour_timestamp timestamptz, counts jsonb);
     insert into banner_stats values (7, '2024-12-10 12:00:00Z', '{"0": 3, "15": 4, "59": 1}')`,
  )
  const imported = async (place: TestPlace) => {
    const { exitCode, output } = await runProgram(place.folder, ['import', '--original'], {
      ...place.settings,
      ORIGINAL_DATABASE_URL: original.url,
    })
    assert.equal(exitCode, 0, output)
    return Number(/Added (\d+)/.exec(output)?.[1])
  }
  assert.deepEqual([await imported(from), await imported(to)], [8, 8])
  await insertPast(storeOf(from), [[7, '2024-12-10T12:15:00Z', 10]])
  assert.match(await copied(from, to), /^Copied 10 clicks/)
  await runSql(original.url, `update banner_stats set counts = counts || '{"0": 5, "20": 1}'`)
  assert.deepEqual([await imported(from), await imported(to)], [3, 3])
  assert.match(await copied(from, to), /^Copied 0 clicks/)
  await runSql(original.url, `update banner_stats set counts = counts || '{"0": 6}'`)
  assert.equal(await imported(from), 1)
  assert.match(await copied(from, to), /^Copied 1 click,/)
  assert.equal(await imported(to), 0, 'it came by copy')
  const [source, target] = [await contentsOf(nameOf(from)), await contentsOf(nameOf(to))]
  assert.deepEqual(target.minutes, source.minutes)
  assert.deepEqual([target.quarters, target.days], [source.quarters, source.days])
})

for (const shape of SHAPES) {
  test(`O22: minutes that ${shape} has forgotten come as the quarters that are left`, async () => {
    await using from = await createPlace(shape)
    await using to = await createPlace('Postgres')
    await fill(from)
    await copied(from, to)
    const before = await contentsOf(nameOf(to))
    // As if they were kept for a while only.
    await runInStore(storeOf(from), 'delete from minute_counts where banner_id in (7, 8)')
    assert.match(await copied(from, to), /^Copied 0 clicks/)
    assert.deepEqual(await contentsOf(nameOf(to)), before)
    await using later = await createPlace('Postgres')
    assert.match(await copied(from, later), /^Copied 100016 clicks/)
    const found = await contentsOf(nameOf(later))
    assert.deepEqual([found.quarters, found.days], [before.quarters, before.days])
  })
}
