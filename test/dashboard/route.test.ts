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
    { ...OVERVIEW, tz: 'Asia/Tokyo' },
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
  assert.deepEqual(viewOf('#/?range=aeon&from=2&to=1'), OVERVIEW)
  assert.deepEqual(viewOf('#/banners/42?step=aeon&tz=Mars/Olympus&as=pie&from=2026-03-01'), BANNER)
  assert.equal(viewOf('#/banners/2147483647').kind, 'banner')
  for (const path of ['x', '/x', '/banners', '/banners/', '/banners/0', '/banners/2147483648']) {
    assert.equal(viewOf(`#${path}`).kind, 'unknown', path)
  }
})
