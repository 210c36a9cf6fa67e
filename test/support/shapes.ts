import { join } from 'node:path'
import { createDatabase } from './database.ts'
import { temporaryFolder } from './service.ts'
import { createTopic, NEEDS_KAFKA } from './topic.ts'

/** A folder and a store of its own, and the settings that name it. */
export interface TestPlace extends AsyncDisposable {
  /** To run commands in. */
  readonly folder: string
  readonly settings: Record<string, string>
  /** Where the embedded database is; undefined on Postgres. */
  readonly dataFolder: string | undefined
}

/** Of commands: they ask the store alone, whatever click log stands before it. */
export const SHAPES = ['SQLite', 'Postgres'] as const

/** Of a running service. */
export const SERVICE_SHAPES = [...SHAPES, 'Kafka'] as const
export type ShapeName = (typeof SERVICE_SHAPES)[number]

/** Options of a test of a service in this shape. */
export function needsOf(shape: ShapeName): { readonly skip?: string } {
  return shape === 'Kafka' ? NEEDS_KAFKA : {}
}

/** Nothing is in it yet: no table, no topic, and no folder of data. */
export async function createPlace(shape: ShapeName): Promise<TestPlace> {
  await using building = new AsyncDisposableStack()
  const { path: folder } = building.use(temporaryFolder())
  const dataFolder = shape === 'SQLite' ? join(folder, 'data') : undefined
  const settings: Record<string, string> =
    dataFolder === undefined
      ? { DATABASE_URL: building.use(await createDatabase()).url }
      : { DATA_DIR: dataFolder }
  if (shape === 'Kafka') Object.assign(settings, building.use(createTopic()).settings)
  const built = building.move()
  return { folder, settings, dataFolder, [Symbol.asyncDispose]: () => built.disposeAsync() }
}
