import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seriesText } from '../../src/cli/series-text.ts'
import { answerSeries } from '../../src/query/stats-handlers.ts'
import { parseSeriesQuery } from '../../src/query/stats-query.ts'

const MIDNIGHT = Date.UTC(2024, 11, 10)
const NEXT_YEAR = Date.UTC(2025, 0, 1)

interface Given {
  /** Of the minutes of a day, one after the other. */
  readonly counts: readonly number[]
  readonly name?: string
  readonly completeUntil?: number
  readonly minutesFrom?: number
}

function answerOf({ counts, name = 'Autumn', completeUntil = NEXT_YEAR, minutesFrom = 0 }: Given) {
  const rows = {
    at: Float64Array.from(counts, (_, index) => MIDNIGHT + index * 60_000),
    count: Float64Array.from(counts),
  }
  const query = { tsFrom: '2024-12-10T00:00:00Z', tsTo: '2024-12-11T00:00:00Z' }
  const banner = { id: 42, name, url: null, status: 'active', createdAt: 0 } as const
  return answerSeries(
    {
      counts: { series: async () => ({ rows: [rows], completeUntil, minutesFrom }) },
      banners: { find: async () => banner },
      ackTimeoutMs: 5_000,
    },
    42,
    parseSeriesQuery({ query, body: {}, now: () => NEXT_YEAR }),
  )
}

test('plain text has a heading, a row a step, the total, and until when it is complete', async () => {
  assert.equal(
    seriesText(await answerOf({ counts: [9, 10] }), undefined),
    `Banner 42: Autumn
2024-12-10T00:00:00Z to 2024-12-11T00:00:00Z by minute, UTC

2024-12-10T00:00:00Z   9
2024-12-10T00:01:00Z  10

total 19
complete until 2025-01-01T00:00:00.000Z
`,
  )
  assert.equal(
    seriesText(await answerOf({ counts: [], completeUntil: MIDNIGHT + 204 }), undefined),
    `Banner 42: Autumn
2024-12-10T00:00:00Z to 2024-12-11T00:00:00Z by minute, UTC

total 0
complete until 2024-12-10T00:00:00.204Z; this can still change
`,
  )
})

test('where minutes are gone it says from when on they are kept', async () => {
  const text = seriesText(await answerOf({ counts: [9], minutesFrom: NEXT_YEAR }), undefined)
  assert.match(
    text,
    /\n\nbefore 2025-01-01T00:00:00Z minutes are gone: times are to the quarter of an hour\ntotal 9\n/,
  )
})

test('a terminal gets the same with bars', async () => {
  const plain = seriesText(await answerOf({ counts: [9, 10] }), undefined)
  const bars = seriesText(await answerOf({ counts: [9, 10] }), 37)
  assert.equal(bars.replaceAll(/ +[▏▎▍▌▋▊▉█]+$/gm, ''), plain)
  assert.match(bars, /:00:00Z {3}9 {2}█████████\n.*:01:00Z {2}10 {2}██████████\n/)
})

test('a terminal shows the last of many rows and says so, a pipe gets all', async () => {
  const counts = Array.from({ length: 1_440 }, (_, minute) => minute + 1)
  const lines = seriesText(await answerOf({ counts }), 80).split('\n')
  assert.equal(lines.filter((line) => line.includes('█')).length, 500)
  assert.match(lines[3] ?? '', /^2024-12-10T15:40:00Z {3}941 {2}█+/)
  assert.ok(
    lines.includes('the last 500 of 1440 rows: a longer --step has fewer, --csv has all'),
    lines.slice(-5).join('\n'),
  )
  assert.ok(lines.includes('total 1037520'), 'of all rows')
  const plain = seriesText(await answerOf({ counts }), undefined)
  assert.equal(plain.match(/^2024-12-10T\d\d:\d\d:00Z +\d+$/gm)?.length, 1_440)
})

test('a name cannot give orders to the terminal', async () => {
  const text = seriesText(await answerOf({ counts: [], name: 'Sale\u{1b}[2J\u{202e}!' }), 80)
  assert.match(text, /^Banner 42: Sale�\[2J�!\n/)
})
