import assert from 'node:assert/strict'
import { test } from 'node:test'
import { meantBy } from '../../src/lib/typo.ts'

const KNOWN = ['HOST', 'PORT', 'DATA_DIR', 'TOKEN', 'TOKEN_FILE', 'ADMIN_TOKEN', 'ADMIN_TOKEN_FILE']

test('one character too many, too few, wrong or swapped is a typo', () => {
  for (const name of ['DATA_DIRR', 'DATADIR', 'DATE_DIR', 'DATA_DRI', 'data_dri']) {
    assert.equal(meantBy(name, KNOWN, 0), 'DATA_DIR', name)
  }
  // Not a swap: what was swapped is not edited again.
  assert.equal(meantBy('DATA_RID', KNOWN, 0), undefined)
})

test('names of 14 characters and more may have two mistakes, none may have three', () => {
  const known = ['FOURTEEN_CHARS', 'THIRTEEN_CHAR', 'MORE_THAN_ONE_AND_TWENTY']
  for (const [name, meant] of [
    ['FORTEEN_CHAR', 'FOURTEEN_CHARS'],
    ['FUORTEEN_CHRAS', 'FOURTEEN_CHARS'],
    ['FOTEEN_CHAR', undefined],
    ['TIRTEEN_CHAR', 'THIRTEEN_CHAR'],
    ['TIRTEEN_CHR', undefined],
    ['MOR_THAN_ON_AND_TWENTY', 'MORE_THAN_ONE_AND_TWENTY'],
    ['MOR_THAN_ON_AN_TWENTY', undefined],
  ] as const) {
    assert.equal(meantBy(name, known, 0), meant, name)
  }
})

test('a short name is a typo only if it has the same letters, unless a mistake is allowed', () => {
  assert.equal(meantBy('host', KNOWN, 0), 'HOST')
  assert.equal(meantBy('Port', KNOWN, 0), 'PORT')
  for (const name of ['HOSTS', 'PORTS', 'POST', 'PROT', 'TOKENS']) {
    assert.equal(meantBy(name, KNOWN, 0), undefined, name)
    assert.notEqual(meantBy(name, KNOWN, 1), undefined, name)
  }
  assert.equal(meantBy('PROT', KNOWN, 1), 'PORT')
  assert.equal(meantBy('HOSTNAME', KNOWN, 1), undefined)
})

test('the nearest name was meant', () => {
  assert.equal(meantBy('TOKEN_B', ['TOKEN_ABC', 'TOKEN_C'], 1), 'TOKEN_C')
  assert.equal(
    meantBy('LONG_ENOUGH_BC', ['LONG_ENOUGH_ABCD', 'LONG_ENOUGH_ABC'], 0),
    'LONG_ENOUGH_ABC',
  )
})

test('a name that lacks its unit or has another one is a typo of a name of three words', () => {
  const known = ['STOP_TIMEOUT_MS', 'LOG_LEVEL', 'ADMIN_TOKEN', 'ADMIN_TOKEN_FILE']
  for (const name of ['STOP_TIMEOUT', 'STOP_TIMEOUT_SECONDS', 'stop_timeout']) {
    assert.equal(meantBy(name, known, 0), 'STOP_TIMEOUT_MS', name)
  }
  for (const name of ['STOP', 'STOP_TIMEOUTS_ALL', 'LOG', 'LOG_COLORS', 'ADMIN_TOKEN_OF_ANOTHER']) {
    assert.equal(meantBy(name, known, 1), undefined, name)
  }
})
