import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashOf, LAST_HOUR, OVERVIEW, viewOf, type View } from '../../web/dashboard/route.ts'

const FROM = Date.parse('2026-03-01T00:00Z')
const BANNER = {
  kind: 'banner',
  id: 42,
  period: LAST_HOUR,
  step: undefined,
  tz: undefined,
  form: 'chart',
} as const satisfies View

test('D10: every view has an address that leads to it', () => {
  const views: readonly View[] = [
    OVERVIEW,
    { ...OVERVIEW, period: { kind: 'preset', preset: '7days' }, search: 'a&b=c #1 + ünï' },
    { ...OVERVIEW, tz: 'Asia/Tokyo', withArchived: true },
    ...(['id', 'name', 'clicks'] as const).flatMap((column) =>
      [true, false].map((isDescending) => ({ ...OVERVIEW, order: { column, isDescending } })),
    ),
    BANNER,
    { ...BANNER, step: 'week', tz: 'America/Argentina/Buenos_Aires', form: 'table' },
    { ...BANNER, period: { kind: 'free', from: FROM, to: FROM + 1_500 } },
    { kind: 'new' },
  ]
  for (const view of views) assert.deepEqual(viewOf(hashOf(view)), view)
  assert.equal(
    hashOf({
      ...BANNER,
      period: { kind: 'free', from: FROM, to: FROM + 60_000 },
      tz: 'Asia/Tokyo',
    }),
    '#/banners/42?from=2026-03-01T00:00Z&to=2026-03-01T00:01Z&tz=Asia/Tokyo',
  )
})

test('D10: what cannot be read is left out, and what leads nowhere is no view', () => {
  assert.deepEqual(viewOf(''), OVERVIEW)
  assert.deepEqual(viewOf('#/?range=aeon&sort=colour&archived=maybe'), OVERVIEW)
  assert.deepEqual(viewOf('#/banners/42?step=aeon&tz=Mars/Olympus&as=pie'), BANNER)
  assert.equal(viewOf('#/banners/2147483647').kind, 'banner')
  for (const path of ['x', '/x', '/banners', '/banners/', '/banners/0', '/banners/2147483648']) {
    assert.equal(viewOf(`#${path}`).kind, 'unknown', path)
  }
})

test('D10: a range that cannot be is no silent last hour', () => {
  for (const range of [
    'from=2026-03-02T00:00Z&to=2026-03-01T00:00Z',
    'from=2026-03-01T00:00Z&to=2026-03-01T00:00Z',
    'from=1969-12-31T00:00Z&to=2026-03-01T00:00Z',
    'from=2026-03-01T00:00Z',
    'from=soon&to=later',
  ]) {
    assert.deepEqual(viewOf(`#/?${range}`), { ...OVERVIEW, hasWrongRange: true }, range)
    assert.deepEqual(viewOf(`#/banners/42?${range}`), { ...BANNER, hasWrongRange: true }, range)
  }
  assert.equal(hashOf({ ...OVERVIEW, hasWrongRange: true }), '#/')
})
