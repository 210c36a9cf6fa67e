import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { test } from 'node:test'
import { parseEnv } from 'node:util'
import { generatedDocs } from '../scripts/docs.ts'
import { parseConfig } from '../src/config.ts'
import { SETTINGS, type Setting } from '../src/settings.ts'

/** The invariants of docs/SPEC.md: number to the files that it names. */
function specified(): Map<string, Set<string>> {
  const invariants = new Map<string, Set<string>>()
  let files = new Set<string>()
  for (const line of readFileSync('docs/SPEC.md', 'utf8').split('\n')) {
    const invariant = /^\*\*([A-Z]\d+) /.exec(line)?.[1]
    if (invariant !== undefined) invariants.set(invariant, (files = new Set()))
    const file = /^- `(test\/.+)`$/.exec(line)?.[1]
    if (file !== undefined) files.add(file)
  }
  return invariants
}

/** The invariants that test titles claim: number to the files in which they stand. */
function claimed(): Map<string, Set<string>> {
  const invariants = new Map<string, Set<string>>()
  for (const file of globSync('test/**/*.ts')) {
    const titles = readFileSync(file, 'utf8').matchAll(
      /test\(\s*['`](?:\$\{name\}: )?([A-Z]\d+): /g,
    )
    for (const [, invariant = ''] of titles) {
      invariants.set(invariant, (invariants.get(invariant) ?? new Set()).add(file))
    }
  }
  return invariants
}

test('every invariant and sentence names its tests, and every test that claims one is named', () => {
  const sorted = (map: Map<string, Set<string>>) =>
    Object.fromEntries([...map].map(([invariant, files]) => [invariant, [...files].toSorted()]))
  assert.ok(specified().size >= 12)
  assert.deepEqual(sorted(claimed()), sorted(specified()))
})

test('the generated documents are those of this code; npm run docs writes them', async () => {
  for (const [path, text] of await generatedDocs()) {
    // Not assert.equal: it would print all of both.
    assert.ok(readFileSync(path, 'utf8') === text, `${path} differs: npm run docs`)
  }
})

/** What compose.yaml needs, under the names of the original service. */
const SET_FOR_COMPOSE = [
  'KAFKA_BROKER',
  'KAFKA_TOPIC',
  'LOG_LEVEL',
  'POSTGRES_DB',
  'POSTGRES_HOST',
  'POSTGRES_PASSWORD',
  'POSTGRES_USER',
]

test('.example.env sets what compose.yaml needs, and has all else once, with its default', () => {
  const text = readFileSync('.example.env', 'utf8')
  assert.deepEqual(Object.keys(parseEnv(text)).toSorted(), SET_FOR_COMPOSE)
  const names = [...text.matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name]) => name)
  assert.equal(new Set(names).size, names.length, 'a setting stands there twice')
  const uncommented = parseEnv(text.replaceAll(/^# (?=[A-Z_]+=)/gm, ''))
  const settings = Object.entries<Setting<unknown>>(SETTINGS)
  const secrets = settings.filter(([, { isSecret }]) => isSecret)
  assert.deepEqual(uncommented, {
    ...Object.fromEntries(settings.map(([name, { fallback }]) => [name, fallback ?? ''])),
    ...Object.fromEntries(secrets.map(([name]) => [`${name}_FILE`, ''])),
    ...parseEnv(text),
  })
})

test('.example.env changes nothing once the lines that are set are commented', () => {
  const text = readFileSync('.example.env', 'utf8').replaceAll(/^(?=[A-Z_]+=)/gm, '# ')
  assert.deepEqual(parseEnv(text), {})
  assert.deepEqual(parseConfig({}, { path: '.env', values: parseEnv(text) }), parseConfig({}))
})

/** The links of documents to files of ours: from which document, to which file, and to which heading. */
function links() {
  return globSync(['*.md', 'docs/**/*.md']).flatMap((file) =>
    [
      ...readFileSync(file, 'utf8').matchAll(/(?:\]\(|src=")(?!https?:)([^)#"]*)#?([^)"]*)[)"]/g),
    ].map(([, target = '', heading = '']) => {
      const path = new URL(target || basename(file), new URL(file, 'file:///')).pathname.slice(1)
      return { file, path, heading }
    }),
  )
}

/** The names by which the headings of a document are linked to. */
function headingsOf(path: string): string[] {
  return [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\d _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

test('links between documents lead somewhere', () => {
  for (const { file, path, heading } of links()) {
    assert.ok(existsSync(path), `${file} links to ${path}`)
    assert.ok(
      heading === '' || headingsOf(path).includes(heading),
      `${file} links to ${path}#${heading}`,
    )
  }
})

test('every document and picture is linked from another document', () => {
  const linked = links().filter(({ file, path }) => file !== path)
  const paths = new Set(linked.map(({ path }) => path))
  assert.deepEqual(
    globSync(['docs/*.md', 'docs/images/*']).filter((path) => !paths.has(path)),
    [],
  )
})

test('the contents of operations.md list every section and alert', () => {
  const [contents = ''] = readFileSync('docs/operations.md', 'utf8').split(/^## /m)
  const [, ...sections] = headingsOf('docs/operations.md')
  assert.deepEqual(
    sections.filter((section) => !contents.includes(`(#${section})`)),
    [],
  )
})

test('ARCHITECTURE names every file of src in the section of its folder', () => {
  const [, ...sections] = readFileSync('ARCHITECTURE.md', 'utf8').split(/^##+ /m)
  const textOf = new Map(
    sections.map((text) => [/^(?:`|The root of `src\/)([\w/]*)`/.exec(text)?.[1], text]),
  )
  const unnamed = globSync('**/*.ts', { cwd: 'src' }).filter((file) => {
    const folder = file.slice(0, -basename(file).length)
    return textOf.get(folder)?.includes(`\`${basename(file)}\``) !== true
  })
  assert.deepEqual(unnamed, [])
})
