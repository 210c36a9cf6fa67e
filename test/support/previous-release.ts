import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { runSql } from './database.ts'
import { createPlace, type ShapeName, type TestPlace } from './shapes.ts'

/** The release before this one, whose databases are in test/fixtures. */
const PREVIOUS = '0.1.0'

/** The database as that release left it when it was killed; scripts/previous-release.ts says what is in it. */
export async function createPreviousPlace(shape: ShapeName): Promise<TestPlace> {
  await using building = new AsyncDisposableStack()
  const place = building.use(await createPlace(shape))
  const { dataFolder, settings } = place
  const name = dataFolder === undefined ? 'postgres' : 'sqlite'
  const sql = readFileSync(`test/fixtures/${PREVIOUS}/${name}.sql`, 'utf8')
  if (dataFolder === undefined) await runSql(String(settings['DATABASE_URL']), sql)
  else {
    mkdirSync(dataFolder)
    using database = new DatabaseSync(join(dataFolder, 'tallymark.sqlite'))
    database.exec(`pragma journal_mode = wal; ${sql}`)
  }
  building.move()
  return place
}
