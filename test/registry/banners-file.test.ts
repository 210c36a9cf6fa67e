import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readBannersFile } from '../../src/registry/banners-file.ts'
import { temporaryFolder } from '../support/service.ts'

function read(content: string) {
  using folder = temporaryFolder()
  const path = join(folder.path, 'banners.json')
  writeFileSync(path, content)
  return readBannersFile(path).drafts
}

test('a banner needs an id and a name; url and status have defaults', () => {
  assert.deepEqual(
    read(
      '[{"id": 1, "name": "One"}, {"id": 2147483647, "name": "Ü", "url": "https://example.org/", "status": "paused"}]',
    ),
    [
      { id: 1, name: 'One', url: null, status: 'active' },
      { id: 2_147_483_647, name: 'Ü', url: 'https://example.org/', status: 'paused' },
    ],
  )
  assert.deepEqual(read('[]'), [])
})

test('everything that is wrong is named, with the banner’s place, and exit code 2', () => {
  for (const [content, message] of [
    ['{', /cannot be read: .*JSON/],
    ['{"id": 1}', /it must be an array of banners/],
    ['[5]', /banner 1: must be an object/],
    ['[{"id": 0, "name": "x"}]', /banner 1: id must be an integer from 1 to 2147483647/],
    ['[{"id": "1", "name": "x"}]', /banner 1: id must be an integer/],
    ['[{"id": 1, "name": "x"}, {"id": 1, "name": "y"}]', /banner 2: id 1 stands twice/],
    ['[{"id": 1}]', /banner 1: name must be given/],
    ['[{"id": 1, "name": " "}]', /banner 1: name must not be blank/],
    ['[{"id": 1, "name": "a\\u0000b"}]', /banner 1: name must not hold control characters/],
    ['[{"id": 1, "name": "\\ud800"}]', /banner 1: name must not hold lone surrogates/],
    ['[{"id": 1, "name": "x", "url": "javascript:alert(1)"}]', /banner 1: url must be null or/],
    ['[{"id": 1, "name": "x", "status": "gone"}]', /banner 1: status must be one of/],
    [
      '[{"id": 1, "name": "x", "colour": 1}]',
      /banner 1: colour is unknown here; known are id, name/,
    ],
  ] as const) {
    assert.throws(() => read(content), { name: 'OperatorError', exitCode: 2, message }, content)
  }
})

test('of many problems the first ten are shown', () => {
  const entries = JSON.stringify(Array.from({ length: 15 }, () => 5))
  assert.throws(() => read(entries), { message: /banner 10: must be an object; 5 more\.$/ })
})

test('a file that is asked for and missing is an error, not the demo banners', () => {
  assert.throws(() => readBannersFile('/nowhere/banners.json'), {
    exitCode: 2,
    message: /\/nowhere\/banners\.json cannot be read: ENOENT/,
  })
})
