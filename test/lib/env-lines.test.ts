import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEnv } from 'node:util'
import { unreadLines } from '../../src/lib/env-lines.ts'

const plain = (line: number) => `line ${line} is no NAME=value, and sets nothing`
const open = (line: number) => `line ${line} opens a quote that it does not close`

test('a line that sets nothing is told by its number, without what it holds', () => {
  assert.deepEqual(unreadLines('PORT abc\nLIVE_MAX: 5\nLOG_LEVEL\n=1\n\nA B=1\r\nC=3'), [
    plain(1),
    plain(2),
    plain(3),
    plain(4),
    plain(6),
  ])
})

test('a quote that is open at the end of its line is told, and what it takes in is not', () => {
  const text = 'A="secret\nB=2\nC 3"\nD=4\nE=\'never closed\nF 6'
  assert.deepEqual(parseEnv(text), { A: 'secret\nB=2\nC 3', D: '4', E: "'never closed" })
  assert.deepEqual(unreadLines(text), [open(1), open(5), plain(6)])
})

test('comments, blank lines, export and everything that is set as it stands is fine', () => {
  const text = `
# a comment, with a quote "
   # another
A=1 # more
export B=2
  C = "three # 3" # more
D='it is "four"'
E=
F="5=5"
G=five"
H.i-j=6
\tK=\`7\`\r
`
  assert.equal(Object.keys(parseEnv(text)).length, 9)
  assert.deepEqual(unreadLines(text), [])
})
