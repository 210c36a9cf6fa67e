import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { emptyResult, post, runLoad } from '../support/load.ts'
import { freePort, startService, temporaryFolder, totalOf } from '../support/service.ts'

const KILLS = Number(process.env['CRASH_KILLS'] ?? 20)
const CONNECTIONS = 16
const LOAD_MS_MIN = 150
const LOAD_MS_SPREAD = 500

test('I1: kill -9 under load loses and doubles no acknowledged click', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  const settings = { DATA_DIR: folder.path, PORT: String(port) }
  const unkeyed = emptyResult()
  const keyed = emptyResult()
  /** Keys that were sent and not acknowledged yet; resent until they are. */
  const pending = new Set<string>()
  let keys = 0

  for (let kill = 0; kill < KILLS; kill += 1) {
    const service = await startService(settings)
    let isOver = false
    const resend = [...pending]
    const load = Promise.all([
      runLoad({
        origin: service.origin,
        connections: CONNECTIONS,
        result: unkeyed,
        next: () => (isOver ? undefined : { path: `/counter/${1 + (unkeyed.acknowledged % 50)}` }),
      }),
      runLoad({
        origin: service.origin,
        connections: CONNECTIONS,
        result: keyed,
        next: () => {
          if (isOver) return undefined
          const key = resend.pop() ?? `key-${(keys += 1)}`
          pending.add(key)
          return { path: bannerOf(key), key }
        },
        onAcknowledged: (key) => void pending.delete(key ?? ''),
      }),
    ])
    await pause(LOAD_MS_MIN + Math.random() * LOAD_MS_SPREAD)
    await service.kill()
    isOver = true
    await load
  }

  await using service = await startService(settings)
  const agent = new Agent({ keepAlive: true })
  for (const key of pending) {
    assert.equal(await post(`${service.origin}${bannerOf(key)}`, agent, key), 200)
  }
  agent.destroy()
  const counted = await totalOf(service.origin)
  const unkeyedCounted = counted - keys
  assert.ok(unkeyed.acknowledged > KILLS * 10, `too little load: ${unkeyed.acknowledged}`)
  assert.ok(keys > KILLS * 10, `too little load: ${keys} keys`)
  assert.ok(keyed.unanswered > 0, 'no kill hit a request under way: the test shows nothing')
  assert.ok(
    unkeyedCounted >= unkeyed.acknowledged,
    `lost: ${unkeyed.acknowledged - unkeyedCounted}`,
  )
  assert.ok(
    unkeyedCounted <= unkeyed.acknowledged + unkeyed.unanswered,
    `doubled: ${unkeyedCounted - unkeyed.acknowledged - unkeyed.unanswered}`,
  )
  assert.equal(await service.stop(), 0)

  const database = new DatabaseSync(join(folder.path, 'tallymark.sqlite'))
  const keyedCounted = database
    .prepare('select sum(count) as n from minute_counts where banner_id > 50')
    .get()
  assert.equal(Number(keyedCounted?.['n']), keys, 'each key counts once')
  for (const table of ['minute_counts', 'quarter_counts', 'day_counts']) {
    const sum = database.prepare(`select sum(count) as n from ${table}`).get()
    assert.equal(Number(sum?.['n']), counted, `${table} agrees with the answer`)
  }
  assert.deepEqual(database.prepare('pragma integrity_check').all().map(Object.values), [['ok']])
  database.close()
})

/** Keyed clicks have banners of their own, 51 to 100, so that they can be told apart. */
function bannerOf(key: string): string {
  return `/counter/${51 + (Number(key.slice(4)) % 50)}`
}
