import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Histogram } from 'prom-client'
import { DeclaredMetrics } from '../../src/lib/declared-metrics.ts'
import { PlainHistogram } from '../../src/lib/plain-histogram.ts'

const BOUNDS = [0.5, 1, 5]
const VALUES = [0, 0.5, 0.500_1, 1, 3, 5, 5.1, 1_000]

test('a plain histogram is written as one of prom-client with the same values', async () => {
  const declared = new DeclaredMetrics('x_')
  const plain = new PlainHistogram(BOUNDS)
  declared.plainHistograms('section', 'plain_seconds', 'Seconds.', ['route'], () => [
    [{ route: '/a' }, plain],
  ])
  const other = new Histogram({
    name: 'x_plain_seconds',
    help: 'Seconds.',
    labelNames: ['route'],
    buckets: BOUNDS,
    registers: [],
  })
  for (const value of VALUES) {
    plain.observe(value)
    other.observe({ route: '/a' }, value)
  }
  const linesOf = (text: string): string[] =>
    text
      .replaceAll(/\{([^}]*)\}/g, (_, labels: string) => `{${labels.split(',').toSorted().join()}}`)
      .trim()
      .split('\n')
  const { registry } = declared
  const written = linesOf(await registry.metrics())
  registry.clear()
  registry.registerMetric(other)
  assert.deepEqual(written, linesOf(await registry.metrics()))
})

test('a gauge whose value is not known has no line', async () => {
  const declared = new DeclaredMetrics('x_')
  let value: number | undefined
  declared.gauge('section', 'free_bytes', 'Bytes.', () => value)
  const text = async (): Promise<string> => declared.registry.metrics()
  assert.doesNotMatch(await text(), /^x_free_bytes/m)
  value = 0
  assert.match(await text(), /^x_free_bytes 0$/m)
  value = undefined
  assert.doesNotMatch(await text(), /^x_free_bytes/m)
})
