import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

/** The invariants of docs/SPEC.md: number to the files that it names. */
function specified(): Map<string, Set<string>> {
  const invariants = new Map<string, Set<string>>()
  let files = new Set<string>()
  for (const line of readFileSync('docs/SPEC.md', 'utf8').split('\n')) {
    const invariant = /^\*\*(I\d+) /.exec(line)?.[1]
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
    const titles = readFileSync(file, 'utf8').matchAll(/test\(\s*['`](?:\$\{name\}: )?(I\d+): /g)
    for (const [, invariant = ''] of titles) {
      invariants.set(invariant, (invariants.get(invariant) ?? new Set()).add(file))
    }
  }
  return invariants
}

test('every invariant names its tests, and every test that claims one is named', () => {
  const sorted = (map: Map<string, Set<string>>) =>
    Object.fromEntries([...map].map(([invariant, files]) => [invariant, [...files].toSorted()]))
  assert.ok(specified().size >= 12)
  assert.deepEqual(sorted(claimed()), sorted(specified()))
})
