import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inEachShape } from '../support/app.ts'
import { runInStore } from '../support/past.ts'

inEachShape((start) => {
  test('a change that another process makes is followed, and a banner that it adds is found', async () => {
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
