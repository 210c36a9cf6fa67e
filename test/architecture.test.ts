// The dependency rule of ARCHITECTURE.md: steps meet through ports, and only app.ts knows adapters.
// A new edge is added here first, so that it is seen in review.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const NOUNS = [
  'click',
  'banner',
  'banner-fields',
  'fields',
  'minute',
  'instant',
  'clock',
  'errors',
  'metrics',
  'logger',
  'check',
].map((noun) => `${noun}.ts`)
const PORTS = [
  'log/click-log.ts',
  'log/kafka/dead-letters.ts',
  'log/kafka/partition-store.ts',
  'store/count-store.ts',
  'store/import-store.ts',
  'store/store-figures.ts',
  'store/copy-store.ts',
  'registry/banner-store.ts',
]

/** They alone know which adapter stands behind which port. */
const COMPOSITION = ['app.ts', 'open-log.ts', 'open-store.ts', 'visit-log.ts']

/** What the files of each step may import, besides its own. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  http: [...NOUNS, 'log/click-log.ts'],
  registry: [...NOUNS, 'http', 'lib'],
  collector: [...NOUNS, 'http', 'log/click-log.ts', 'registry/banner-registry.ts'],
  log: [...NOUNS, 'lib'],
  aggregator: [...NOUNS, ...PORTS, 'lib'],
  store: [...NOUNS, ...PORTS, 'lib'],
  watch: [...NOUNS, 'store/store-figures.ts', 'lib'],
  query: [
    ...NOUNS,
    'lib',
    'http',
    'store/count-store.ts',
    'registry/banner-registry.ts',
    'registry/banner-store.ts',
  ],
  cli: [
    ...NOUNS,
    'version.ts',
    'app.ts',
    'open-store.ts',
    'visit-log.ts',
    'config.ts',
    'query',
    'registry',
    'log/kafka/dead-letters.ts',
    'log/kafka/positions.ts',
    'log/kafka/topic-checks.ts',
    'store/import-store.ts',
    'store/copy.ts',
  ],
  'routes.ts': [...NOUNS, 'version.ts', 'http', 'collector', 'query', 'registry'],
  'metrics.ts': [...NOUNS, 'lib'],
  lib: [],
  'version.ts': [],
  'config.ts': [
    'contradictions.ts',
    'errors.ts',
    'lib',
    'settings.ts',
    'setting-rules.ts',
    'postgres-url.ts',
  ],
  'contradictions.ts': ['settings.ts'],
  'settings.ts': ['setting-rules.ts', 'postgres-url.ts'],
  'postgres-url.ts': ['setting-rules.ts'],
  'setting-rules.ts': ['lib', 'registry/banners-file.ts'],
  'main.ts': ['cli', 'errors.ts'],
  'bin.ts': ['main.ts', 'memory-flags.ts'],
  'memory-flags.ts': [],
}

const files = globSync('**/*.ts', { cwd: 'src' })

function importsOf(file: string): string[] {
  const source = readFileSync(join('src', file), 'utf8')
  return [...source.matchAll(/from '(\.[^']+)'/g)].map(([, path = '']) => join(dirname(file), path))
}

test('steps import only what the architecture allows', () => {
  const wrong = files.flatMap((file) => {
    const [step = ''] = file.split('/', 1)
    const allowed = MAY_IMPORT[step] ?? (NOUNS.includes(file) ? NOUNS : undefined)
    if (COMPOSITION.includes(file)) return []
    assert.ok(allowed !== undefined, `${file} is no step: give it a line in MAY_IMPORT`)
    return importsOf(file)
      .filter(
        (target) =>
          ![step, ...allowed].some((each) => target === each || target.startsWith(`${each}/`)),
      )
      .map((target) => `${file} imports ${target}`)
  })
  assert.ok(files.length > 20)
  assert.deepEqual(wrong, [])
})

test('the pure parts touch neither time nor the outside', () => {
  for (const file of [
    'aggregator/aggregate.ts',
    'cli/bars.ts',
    'cli/series-text.ts',
    'lib/typo.ts',
    'instant.ts',
    'query/many-series-query.ts',
    'query/series.ts',
    'query/silence.ts',
    'query/stats-query.ts',
    'query/steps.ts',
    'query/zone.ts',
  ]) {
    const source = readFileSync(join('src', file), 'utf8')
    assert.doesNotMatch(
      source,
      /Date\.now|performance\.now|setTimeout|node:(?!crypto)|process\./,
      file,
    )
  }
})
