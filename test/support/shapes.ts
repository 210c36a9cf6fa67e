import { join } from 'node:path'
import { createDatabase } from './database.ts'
import { temporaryFolder } from './service.ts'

/** A folder and a store of its own, and the settings that name it. */
export interface TestPlace extends AsyncDisposable {
  /** To run commands in. */
  readonly folder: string
  readonly settings: Record<string, string>
  /** Where the embedded database is; undefined on Postgres. */
  readonly dataFolder: string | undefined
}

export type ShapeName = 'SQLite' | 'Postgres' | 'Kafka'

/** Of commands, for which a store is all there is: what stands before it they do not ask. */
export const SHAPES = ['SQLite', 'Postgres'] as const

/** Nothing is in it yet: no table, and no folder of data. */
export async function createPlace(shape: (typeof SHAPES)[number]): Promise<TestPlace> {
  await using building = new AsyncDisposableStack()
  const { path: folder } = building.use(temporaryFolder())
  const dataFolder = shape === 'SQLite' ? join(folder, 'data') : undefined
  const settings: Record<string, string> =
    dataFolder === undefined
      ? { DATABASE_URL: building.use(await createDatabase()).url }
      : { DATA_DIR: dataFolder }
  const built = building.move()
  return { folder, settings, dataFolder, [Symbol.asyncDispose]: () => built.disposeAsync() }
}
