import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecordsBatch } from '@platformatic/kafka'
import type { Click } from '../../../src/click.ts'
import { cut, type CutOptions, type Piece } from '../../../src/log/kafka/cut.ts'
import { encodeRecord } from '../../../src/log/kafka/record.ts'

const CONTROL = 0x20

function click(bannerId: number): Click {
  return { bannerId, tally: 'click', at: 1_000 }
}

/** A number is a click of that banner. */
type Value = number | string | null

function bytesOf(value: Value): Buffer | null {
  if (value === null) return null
  return typeof value === 'number' ? encodeRecord(click(value)) : Buffer.from(value)
}

/** The offsets `first` to `last`, and the records that are there. */
function batch(
  first: number,
  last: number,
  records: Readonly<Record<number, Value>>,
  attributes = 0,
): RecordsBatch {
  // Only what is read of it.
  return {
    firstOffset: BigInt(first),
    lastOffsetDelta: last - first,
    attributes,
    records: Object.entries(records).map(([offset, value]) => ({
      offsetDelta: Number(offset) - first,
      value: bytesOf(value),
    })),
  } as unknown as RecordsBatch
}

function pieces(batches: readonly RecordsBatch[], options: Partial<CutOptions> = {}): Piece[] {
  return [...cut(batches, { from: 0n, max: 100, isKnown: () => true, ...options })]
}

/** Of each piece the banners, and where it ends. */
function shown(all: readonly Piece[]): [banners: number[], to: number][] {
  return all.map(({ clicks, to }) => [clicks.map(({ bannerId }) => bannerId), Number(to)])
}

test('what was fetched becomes one piece', () => {
  const batches = [batch(0, 1, { 0: 1, 1: 2 }), batch(2, 2, { 2: 3 })]
  assert.deepEqual(pieces(batches), [
    { clicks: [1, 2, 3].map(click), suspects: [], last: 2n, to: 3n },
  ])
  assert.deepEqual(pieces([]), [])
})

test('what lies before the position is skipped, however much of it was fetched', () => {
  const batches = [batch(0, 2, { 0: 1, 1: 2, 2: 3 }), batch(3, 4, { 3: 4, 4: 5 })]
  assert.deepEqual(shown(pieces(batches, { from: 2n })), [[[3, 4, 5], 5]])
  assert.deepEqual(shown(pieces(batches, { from: 4n })), [[[5], 5]])
  assert.deepEqual(shown(pieces(batches, { from: 5n })), [])
  assert.deepEqual(shown(pieces(batches, { from: 9n })), [])
})

test('a marker of a transaction is no click, and is passed', () => {
  const marker = batch(2, 2, { 2: 7 }, CONTROL)
  assert.deepEqual(shown(pieces([batch(0, 1, { 0: 1, 1: 2 }), marker])), [[[1, 2], 3]])
  assert.deepEqual(shown(pieces([marker], { from: 2n })), [[[], 3]])
})

test('offsets without a record are passed: within a batch, at its end, between two', () => {
  const compacted = batch(0, 5, { 1: 1, 3: 2 })
  assert.deepEqual(shown(pieces([compacted])), [[[1, 2], 6]])
  assert.deepEqual(shown(pieces([compacted, batch(9, 9, { 9: 3 })])), [[[1, 2, 3], 10]])
  assert.deepEqual(shown(pieces([batch(0, 5, {})])), [[[], 6]])
})

test('a piece has no more records than it may, and the next begins where it ends', () => {
  const batches = [batch(0, 2, { 0: 1, 1: 2, 2: 3 }), batch(3, 6, { 3: 4, 4: 5 })]
  assert.deepEqual(shown(pieces(batches, { max: 2 })), [
    [[1, 2], 2],
    [[3, 4], 4],
    [[5], 7],
  ])
  assert.deepEqual(shown(pieces(batches, { max: 1, from: 2n })), [
    [[3], 3],
    [[4], 4],
    [[5], 5],
    [[], 7], // past offsets without a record
  ])
  assert.deepEqual(shown(pieces([batch(0, 1, { 0: 1, 1: 2 })], { max: 2 })), [[[1, 2], 2]])
})

test('what is no click of a known banner is a suspect, with its bytes and the reason', () => {
  const batches = [batch(5, 8, { 5: 1, 6: 'x', 7: null, 8: 2 })]
  const suspects = [
    { position: 6n, bytes: Buffer.from('x'), reason: 'the value is not JSON' },
    { position: 7n, bytes: new Uint8Array(), reason: 'the record has no value' },
    {
      position: 8n,
      bytes: encodeRecord(click(2)),
      click: click(2),
      reason: 'the banner was never registered',
    },
  ]
  const all = pieces(batches, { from: 5n, isKnown: (id) => id === 1 })
  assert.deepEqual(all, [{ clicks: [click(1)], suspects, last: 8n, to: 9n }])
})

test('suspects are among the records that a piece may have', () => {
  const all = pieces([batch(0, 2, { 0: 'x', 1: 1, 2: 'y' })], { max: 2 })
  const sizes = all.map(({ clicks, suspects }) => [clicks.length, suspects.length])
  assert.deepEqual(sizes, [
    [1, 1],
    [0, 1],
  ])
})

test('a piece has no more bytes of suspects than the store can take', () => {
  const megabytes = 'x'.repeat(3 * 1_024 * 1_024)
  const all = pieces([batch(0, 3, { 0: megabytes, 1: 1, 2: megabytes, 3: 'y' })])
  const sizes = all.map(({ clicks, suspects, to }) => [clicks.length, suspects.length, Number(to)])
  assert.deepEqual(sizes, [
    [1, 2, 3],
    [0, 1, 4],
  ])
})

test('of a huge record the beginning is kept', () => {
  const [piece] = pieces([batch(0, 0, { 0: 'x'.repeat(5 * 1_024 * 1_024) })])
  const [suspect] = piece?.suspects ?? []
  assert.equal(suspect?.bytes.length, 4 * 1_024 * 1_024)
  assert.equal(suspect.reason, 'the record has 5242880 bytes, of which 4194304 are kept')
})

test('a click that the store refused is a suspect, and not tried as a click again', () => {
  const refused = { position: 1n, cause: new Error('out of range') }
  const reason = 'the store refuses it: out of range'
  assert.deepEqual(pieces([batch(0, 2, { 0: 1, 1: 2, 2: 3 })], { refused }), [
    {
      clicks: [click(1), click(3)],
      suspects: [{ position: 1n, bytes: encodeRecord(click(2)), reason }],
      last: 2n,
      to: 3n,
    },
  ])
})
