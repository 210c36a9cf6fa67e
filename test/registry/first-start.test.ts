import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { jsonOf, startTestApp } from '../support/app.ts'
import { createDatabase } from '../support/database.ts'
import { temporaryFolder } from '../support/service.ts'

/** Two starts on one store, each with a banners file of its own. */
async function loadsFirstFileOnly(folder: string, store: Record<string, string>): Promise<void> {
  const start = (name: string) => {
    const path = join(folder, `${name}.json`)
    writeFileSync(path, JSON.stringify([{ id: 7, name }]))
    return startTestApp({ ...store, BANNERS_FILE: path })
  }
  const namesOf = async (origin: string): Promise<string[]> => {
    const { banners } = await jsonOf(await fetch(`${origin}/banners?archived=true`))
    return (banners as { name: string }[]).map(({ name }) => name)
  }
  {
    await using first = await start('one')
    assert.match(first.log(), /First start: loaded 1 banner from .*one\.json/)
    assert.deepEqual(await namesOf(first.origin), ['one'])
    await fetch(`${first.origin}/banners/7`, { method: 'DELETE' })
  }
  await using second = await start('two')
  assert.doesNotMatch(second.log(), /First start/)
  assert.deepEqual(await namesOf(second.origin), ['one'])
}

test('B10: BANNERS_FILE is loaded on the first start, and only then', async () => {
  using folder = temporaryFolder()
  await loadsFirstFileOnly(folder.path, { DATA_DIR: join(folder.path, 'data') })
})

test('a first start that is to have no banners says so', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'none.json')
  writeFileSync(path, '[]')
  await using app = await startTestApp({ BANNERS_FILE: path })
  assert.match(app.log(), /First start: loaded 0 banners from .*none\.json/)
})

test('B10: on Postgres, too, banners are loaded on the first start, and only then', async () => {
  using folder = temporaryFolder()
  await using database = await createDatabase()
  await loadsFirstFileOnly(folder.path, { DATABASE_URL: database.url })
})
