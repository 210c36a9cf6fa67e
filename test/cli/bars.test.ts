import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { tableOf, type BarRow } from '../../src/cli/bars.ts'
import { runs } from '../support/properties.ts'

const MINUTE = '2024-12-10T12:56:00Z'
const BAR = /  [▏▎▍▌▋▊▉█]+$/

test('O10: a line with a bar is narrower than the terminal, whatever the counts are', () => {
  const count = fc.oneof(fc.nat(10), fc.nat(), fc.maxSafeNat())
  const row = fc.record({ label: fc.constantFrom(MINUTE, `${MINUTE}+05:30`), count })
  fc.assert(
    fc.property(fc.array(row), fc.integer({ min: 20, max: 200 }), (rows, columns) => {
      const lines = tableOf(rows, columns)
      assert.equal(lines.length, rows.length)
      for (const [index, line] of lines.entries()) {
        const { label = '', count: own = Number.NaN } = rows[index] ?? {}
        assert.deepEqual(line.split(/ +/).slice(0, 2), [label, String(own)])
        if (BAR.test(line)) assert.ok(line.length < columns, line)
      }
    }),
    runs(1_000),
  )
})

test('bars are drawn from a width on, and the largest fills it', () => {
  const rows: BarRow[] = [
    { label: MINUTE, count: 1 },
    { label: MINUTE, count: Number.MAX_SAFE_INTEGER },
  ]
  for (let columns = 20; columns <= 200; columns += 1) {
    const [least = '', largest = ''] = tableOf(rows, columns)
    assert.equal(BAR.test(largest), columns >= 45, String(columns))
    if (columns < 45) continue
    assert.equal(largest.length, columns - 1)
    assert.ok(least.endsWith('  ▏'), 'what was counted can be seen')
  }
})

test('a bar is as long as the share of the largest count, to an eighth of a column', () => {
  const rows = [8, 4, 3, 0, 1].map((count) => ({ label: 'at', count }))
  const columns = 'at  8  '.length + 8 + 1
  assert.deepEqual(tableOf(rows, columns), [
    'at  8  ████████',
    'at  4  ████',
    'at  3  ███',
    'at  0',
    'at  1  █',
  ])
  assert.deepEqual(tableOf(rows, columns + 1)[2], 'at  3  ███▍')
})

test('columns stay in line, and without a terminal there are no bars', () => {
  const rows = [
    { label: MINUTE, count: 7 },
    { label: `${MINUTE}+01:00`, count: 1_234 },
  ]
  assert.deepEqual(tableOf(rows, 0), [
    '2024-12-10T12:56:00Z           7',
    '2024-12-10T12:56:00Z+01:00  1234',
  ])
  assert.deepEqual(tableOf([], 80), [])
  assert.deepEqual(tableOf([{ label: 'at', count: 0 }], 80), ['at  0'])
})
