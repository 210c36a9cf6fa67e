// A clock that was ahead when something was stored holds that of clicks: said everywhere, and mended as
// docs/operations.md says.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { runSql } from '../support/database.ts'
import { metricsOf } from '../support/metrics.ts'
import { runCommand, startService, type Service } from '../support/service.ts'
import { createPlace, SHAPES, type TestPlace } from '../support/shapes.ts'

const YEAR_S = 365 * 86_400
const WARNING = /WARN +Clicks are counted (\d+) s ahead of the time: /

for (const shape of SHAPES) {
  test(`I10: how far the clock is held ahead is told, and ends as the guide says: ${shape}`, async () => {
    await using place = await createPlace(shape)
    await served(place, async (service) => assert.equal(await aheadOf(service), 0))
    await run(place, `update positions set instant = instant + ${YEAR_S * 1_000}`)
    assert.match(
      await examined(place),
      /^warn {2}instants {7}one is stored that is 31\d{6} s ahead/m,
    )

    await served(place, async (service) => {
      await clickNow(service)
      assert.ok((await aheadOf(service)) > YEAR_S - 600)
      const deadline = performance.now() + 20_000
      while (!WARNING.test(service.output())) {
        assert.ok(performance.now() < deadline, 'it is never said')
        await pause(20)
      }
      assert.equal(await clicksToday(service), 0)
    })

    await run(place, statementsOf(shape))
    assert.match(await examined(place), /^ok {4}instants {7}none is stored/m)
    await served(place, async (service) => {
      await clickNow(service)
      assert.equal(await aheadOf(service), 0)
      assert.equal(await clicksToday(service), 1)
      assert.doesNotMatch(service.output(), WARNING)
    })
  })
}

async function served(place: TestPlace, work: (service: Service) => Promise<void>): Promise<void> {
  await using service = await startService(place.settings)
  await work(service)
  assert.equal(await service.stop(), 0, service.output())
}

async function clickNow({ origin }: Service): Promise<void> {
  assert.equal((await fetch(`${origin}/counter/1`, { method: 'POST' })).status, 200)
}

async function clicksToday({ origin }: Service): Promise<number> {
  const [from, to] = [Date.now() - 43_200_000, Date.now() + 43_200_000]
  const range = `tsFrom=${Math.floor(from / 1_000)}&tsTo=${Math.floor(to / 1_000)}`
  const answer = await fetch(`${origin}/stats?${range}`)
  return ((await answer.json()) as { total: number }).total // GET /stats of the contract
}

async function aheadOf({ origin }: Service): Promise<number> {
  return Number((await metricsOf(origin)).get('clock_ahead_seconds'))
}

async function examined({ folder, settings }: TestPlace): Promise<string> {
  return (await runCommand(folder, ['doctor'], settings)).stdout
}

async function run({ dataFolder, settings }: TestPlace, statements: string): Promise<void> {
  if (dataFolder === undefined)
    return void (await runSql(String(settings['DATABASE_URL']), statements))
  using database = new DatabaseSync(join(dataFolder, 'tallymark.sqlite'))
  database.exec(statements)
}

/** As they are written in docs/operations.md. */
function statementsOf(shape: (typeof SHAPES)[number]): string {
  const guide = readFileSync('docs/operations.md', 'utf8')
  const [, section = ''] = guide.split('### A clock that was ahead')
  const [sqlite, postgres] = [...section.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, sql]) => sql)
  assert.ok(sqlite !== undefined && postgres !== undefined)
  return shape === 'SQLite' ? sqlite : postgres
}
