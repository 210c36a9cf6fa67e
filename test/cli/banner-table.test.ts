import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BannerTable } from '../../src/cli/banner-table.ts'

function bannerOf(id: number, name: string, url: string | null = null) {
  return { id, name, url, status: 'active', createdAt: 0 } as const
}

test('columns stand in line, over pages too, where they get wider', () => {
  const table = new BannerTable()
  assert.equal(
    table.textOf([bannerOf(1, 'One', 'https://a.example'), bannerOf(10, 'Ten')]),
    `id  status  name  url
 1  active  One   https://a.example
10  active  Ten
`,
  )
  assert.equal(
    table.textOf([bannerOf(1_000, 'Thousand', 'https://b.example')]),
    '1000  active  Thousand  https://b.example\n',
  )
  assert.equal(
    table.textOf([bannerOf(1_001, 'One', 'https://c.example')]),
    '1001  active  One       https://c.example\n',
  )
})

test('a name of wide characters keeps its column, a long one moves only its own URL', () => {
  const long = 'n'.repeat(200)
  const lines = new BannerTable()
    .textOf([
      bannerOf(1, '広告', 'https://a.example'),
      bannerOf(2, 'né', 'https://b.example'),
      bannerOf(3, '👩‍👧 e\u0301', 'https://c.example'),
      bannerOf(4, long, 'https://d.example'),
    ])
    .split('\n')
  assert.equal(lines[1], ` 1  active  広告${' '.repeat(36)}  https://a.example`)
  assert.equal(lines[2], ` 2  active  né${' '.repeat(38)}  https://b.example`)
  assert.equal(lines[3], ` 3  active  👩‍👧 e\u0301${' '.repeat(36)}  https://c.example`)
  assert.equal(lines[4], ` 4  active  ${long}  https://d.example`)
})

test('names and URLs cannot give orders to the terminal', () => {
  const text = new BannerTable().textOf([
    bannerOf(1, 'a\u{1b}[2J\nb', 'https://a.example/\u{202e}'),
  ])
  assert.match(text, /^ 1 {2}active {2}a�\[2J�b {2}https:\/\/a\.example\/�$/m)
})
