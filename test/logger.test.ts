import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../src/logger.ts'

function logged(
  format: 'text' | 'json',
  level: string,
  act: (log: ReturnType<typeof createLogger>) => void,
) {
  const lines: string[] = []
  act(createLogger({ level, format, write: (line) => lines.push(line) }))
  return lines
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
