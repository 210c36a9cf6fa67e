// Installations that are copied, and the command that does it.
import assert from 'node:assert/strict'
import { jsonOf, startTestApp } from './app.ts'
import { insertPast } from './past.ts'
import { runCommand } from './service.ts'
import type { ShapeName, TestPlace } from './shapes.ts'

/** The tests' server does without fsync, which a service says at its start. */
export const QUIET = { LOG_LEVEL: 'error' } as const

/** As `--from` and `--to` name it. */
export function nameOf({ dataFolder, settings }: TestPlace): string {
  return dataFolder ?? String(settings['DATABASE_URL'])
}

export function storeOf(place: TestPlace) {
  const { dataFolder } = place
  return {
    store:
      dataFolder === undefined
        ? ({ kind: 'postgres', url: nameOf(place) } as const)
        : ({ kind: 'sqlite', folder: dataFolder } as const),
  }
}

export function copy(from: TestPlace, to: TestPlace) {
  return runCommand(from.folder, ['copy', '--from', nameOf(from), '--to', nameOf(to)])
}

export async function copied(from: TestPlace, to: TestPlace): Promise<string> {
  const { exitCode, stdout, stderr } = await copy(from, to)
  assert.deepEqual([exitCode, stderr], [0, ''], stdout)
  return stdout
}

export async function post(origin: string, path: string, key?: string): Promise<void> {
  const headers = key === undefined ? {} : { 'idempotency-key': key }
  const answer = await fetch(`${origin}${path}`, { method: 'POST', headers })
  assert.equal(answer.status, 200, await answer.text())
}

export async function addBanner(origin: string, name: string): Promise<number> {
  const answer = await fetch(`${origin}/banners`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  })
  return Number((await jsonOf(answer))['id'])
}

/** Clicks of today and of the past, with keys and without; one banner is archived. */
export async function fill(place: TestPlace): Promise<void> {
  await using app = await startTestApp({ ...QUIET, ...place.settings })
  await insertPast(storeOf(place), [
    [7, '2024-12-10T12:00:00Z', 3],
    [7, '2024-12-10T12:14:00Z', 4],
    [7, '2024-12-10T23:59:00Z', 1],
    [8, '2024-12-31T23:59:00Z', 100_000],
  ])
  assert.equal(await addBanner(app.origin, 'Given by the service'), 10)
  for (const key of ['a', 'b', 'c']) await post(app.origin, '/counter/7', key)
  for (let clicks = 0; clicks < 5; clicks += 1) await post(app.origin, '/counter/42')
  await fetch(`${app.origin}/banners/42`, { method: 'DELETE' })
}

export const MOVES = [
  ['SQLite', 'Postgres'],
  ['Postgres', 'SQLite'],
  ['Postgres', 'Postgres'],
] as const satisfies readonly (readonly [ShapeName, ShapeName])[]
