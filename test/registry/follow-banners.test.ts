import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inEachShape, startTestApp } from '../support/app.ts'
import { createDatabase } from '../support/database.ts'
import { runInStore } from '../support/past.ts'

inEachShape((start) => {
  test('B8: a change that another process makes is followed, and a banner that it adds is found', async () => {
    await using app = await start()
    const clickOf = async (id: number): Promise<number> =>
      (await fetch(`${app.origin}/counter/${id}`, { method: 'POST' })).status
    const until = async (id: number, status: number): Promise<void> => {
      const deadline = performance.now() + 20_000
      while ((await clickOf(id)) !== status) {
        assert.ok(performance.now() < deadline, `banner ${id} is never answered ${status}`)
        await pause(50)
      }
    }
    assert.deepEqual([await clickOf(7), await clickOf(8), await clickOf(77)], [200, 200, 404])
    await runInStore(
      app,
      `update registry set version = version + 1;
       update banners set status = 'paused', version = (select version from registry) where id = 7;
       insert into banners (id, name, status, created_at, version)
         select 77, 'Added elsewhere', 'active', 0, version from registry`,
    )
    await until(7, 410)
    await until(77, 200)
    assert.equal(await clickOf(8), 200)
    await runInStore(
      app,
      `update registry set version = version + 1;
       update banners set status = 'active', version = (select version from registry) where id = 7`,
    )
    await until(7, 200)
  })
})

test('B8: what one process changes over HTTP, another one on the same Postgres follows', async () => {
  await using database = await createDatabase()
  await using first = await startTestApp({ DATABASE_URL: database.url })
  await using second = await startTestApp({ DATABASE_URL: database.url })
  const change = (method: string, path: string, body: object) =>
    fetch(`${first.origin}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const until = async (id: number, status: number): Promise<void> => {
    const deadline = performance.now() + 20_000
    while ((await fetch(`${second.origin}/counter/${id}`)).status !== status) {
      assert.ok(performance.now() < deadline, `banner ${id} is never answered ${status}`)
      await pause(50)
    }
  }
  await until(77, 404)
  await change('POST', '/banners', { id: 77, name: 'New' })
  await until(77, 200)
  await change('PATCH', '/banners/77', { status: 'paused' })
  await until(77, 410)
})
