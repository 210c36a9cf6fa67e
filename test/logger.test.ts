import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../src/logger.ts'

function logged(
  format: 'text' | 'json',
  level: string,
  act: (log: ReturnType<typeof createLogger>) => void,
  now?: () => number,
) {
  const lines: string[] = []
  const write = (line: string): number => lines.push(line)
  act(createLogger({ level, format, write, ...(now && { now }) }))
  return lines
}

/** The messages that are written of what is logged at these milliseconds. */
function writtenOf(
  instants: readonly number[],
  act: (log: ReturnType<typeof createLogger>, at: number) => void,
): string[] {
  let at = 0
  const lines = logged(
    'json',
    'trace',
    (log) => {
      for (at of instants) act(log, at)
    },
    () => at,
  )
  // One of pino's lines.
  return lines.map((line) => (JSON.parse(line) as { msg: string }).msg)
}

test('text: time, level, message, fields as JSON', () => {
  const [line = ''] = logged('text', 'info', (log) => log.warn({ clicks: 3 }, 'late'))
  assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARN  late \{"clicks":3\}\n$/)
})

test('no message and no field can forge a line or reach the terminal', () => {
  const forged = 'x\n2026-01-01T00:00:00.000Z INFO  all is well\r\u001B[2J'
  const [line = ''] = logged('text', 'info', (log) => log.info({ field: forged }, forged))
  assert.ok(!/^2026-01-01/m.test(line), line)
  assert.ok(!line.includes('\r') && !line.includes('\u001B'), line)
})

test('json: one object a line', () => {
  const [line = ''] = logged('json', 'info', (log) => log.info('one\ntwo'))
  assert.equal(line.indexOf('\n'), line.length - 1)
  assert.match(line, /"msg":"one\\ntwo"/)
})

test('what is below the level is not written', () => {
  assert.deepEqual(
    logged('text', 'warn', (log) => log.info('quiet')),
    [],
  )
})

test('the same warning or error is written once a second, with how many were left out', () => {
  const instants = [5_000, 5_001, 5_999, 6_000, 6_500, 6_999, 7_000, 9_000]
  const expected = ['late', 'late (2 more like it)', 'late (2 more like it)', 'late']
  assert.deepEqual(
    writtenOf(instants, (log) => log.warn('late')),
    expected,
  )
  assert.deepEqual(
    writtenOf(instants, (log) => log.error({ requestId: 'a' }, 'late')),
    expected,
  )
  assert.deepEqual(
    writtenOf(instants, (log) => log.error(new Error('late'))),
    expected,
  )
  assert.deepEqual(
    writtenOf([0, 1, 2], (log) => log.info('early')),
    ['early', 'early', 'early'],
  )
  assert.deepEqual(
    writtenOf([0, 1, 2], (log) => log.fatal('over')),
    ['over', 'over', 'over'],
  )
})

test('what was left out is counted with the fields and parameters of the one that is written', () => {
  let at = 0
  const lines = logged(
    'text',
    'info',
    (log) => {
      for (at of [0, 1, 1_000]) log.warn({ at }, 'late by %d ms, 100%% sure', at)
    },
    () => at,
  )
  assert.deepEqual(
    lines.map((line) => line.slice(25)),
    [
      'WARN  late by 0 ms, 100% sure {"at":0}\n',
      'WARN  late by 1000 ms, 100% sure (1 more like it) {"at":1000}\n',
    ],
  )
})

test('two causes are two messages or two errors; other numbers are the same cause', () => {
  assert.deepEqual(
    writtenOf([1, 2, 3], (log, at) => {
      log.warn(`connect ECONNREFUSED 127.0.0.1:4000${at}`)
      log.warn(`READ_TOKEN${at} is no setting`)
      log.error({ err: new Error(`no row ${at}`) }, 'A request failed')
      log.error({ err: new Error(at === 2 ? 'no column' : 'no table') }, 'A request failed')
    }),
    [
      'connect ECONNREFUSED 127.0.0.1:40001',
      'READ_TOKEN1 is no setting',
      'A request failed',
      'A request failed',
      'READ_TOKEN2 is no setting',
      'A request failed',
      'READ_TOKEN3 is no setting',
    ],
  )
})

test('the causes that are remembered are limited; the one written longest ago is forgotten', () => {
  const first = Array.from({ length: 100 }, (_, at) => [at, `cause${at}`] as const)
  const messages = new Map([
    ...first,
    [1_000, 'cause0'], // written again, so cause1 is the oldest now
    [1_001, 'cause100'], // one too many: cause1 is forgotten
    [1_002, 'cause0'], // remembered
    [1_003, 'cause100'], // remembered
    [1_004, 'cause2'], // more than a second ago
    [1_005, 'cause99'], // remembered
    [1_006, 'cause101'], // cause3 is forgotten
  ])
  assert.deepEqual(
    writtenOf([...messages.keys()], (log, at) => log.warn(messages.get(at) ?? '')),
    [...first.map(([, message]) => message), 'cause0', 'cause100', 'cause2', 'cause101'],
  )
  // Within a second, a forgotten one is written as if it were new.
  const many = [...Array.from({ length: 101 }, (_, index) => `cause${index}`), 'cause1', 'cause0']
  assert.deepEqual(
    writtenOf([...many.keys()], (log, index) => log.warn(many[index] ?? '')),
    many.filter((message, index) => message !== 'cause1' || index === 1),
  )
})
