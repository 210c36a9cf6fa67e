import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { ERRORS } from '../../src/errors.ts'
import { Language, preferredLanguage } from '../../web/dashboard/text/language.ts'
import { describeDashboard } from '../support/dashboard.ts'
import { fillHistory } from '../support/history.ts'
import { becomes, figureOf, rowsOf } from '../support/shown.ts'

const RUSSIAN = new Language('ru', ['ru-RU', 'en'])
const MINUTE_MS = 60_000
const HISTORY = { from: Date.parse('2026-02-01T00:00Z'), to: Date.parse('2026-02-02T00:00Z') }

test('D15: numbers of things take the form that they have in the language', () => {
  const russian = (count: number) => RUSSIAN.text.bannerCount(count, RUSSIAN)
  assert.deepEqual(
    [0, 1, 2, 5, 11, 21, 22, 111, 1001].map(russian),
    [
      '0 баннеров',
      '1 баннер',
      '2 баннера',
      '5 баннеров',
      '11 баннеров',
      '21 баннер',
      '22 баннера',
      '111 баннеров',
      '1001 баннер',
    ].map((words) => words.replace('1001', (1001).toLocaleString('ru'))),
  )
  const english = new Language('en', ['en-GB'])
  assert.deepEqual(
    [0, 1, 2, 21].map((count) => english.text.clickCount(count, english)),
    ['0 clicks in all', '1 click in all', '2 clicks in all', '21 clicks in all'],
  )
})

test('D15: what the service can answer is said in Russian, code by code', () => {
  for (const code of Object.keys(RUSSIAN.text.problems))
    assert.ok(Object.hasOwn(ERRORS, code), code)
})

test('D15: a rate takes the form that its number has, whole or not', () => {
  const russian = (rate: number) => RUSSIAN.text.perSecond(rate, RUSSIAN)
  assert.deepEqual([0, 0.1, 1, 2, 2.5, 5, 21].map(russian), [
    'кликов в секунду',
    'клика в секунду',
    'клик в секунду',
    'клика в секунду',
    'клика в секунду',
    'кликов в секунду',
    'клик в секунду',
  ])
  const english = new Language('en', ['en-GB'])
  assert.equal(english.text.perSecond(1, english), 'click a second')
  assert.equal(english.text.perSecond(1.1, english), 'clicks a second')
})

test('D15: how long ago something was is said in the largest unit that tells it well', () => {
  const english = new Language('en', ['en'])
  assert.equal(english.ago(12_000), '12 seconds ago')
  assert.equal(english.ago(119_000), '119 seconds ago')
  assert.equal(english.ago(125_000), '2 minutes ago')
  assert.equal(english.ago(3 * 3_600_000), '3 hours ago')
  assert.equal(RUSSIAN.ago(21_000), '21 секунду назад')
  assert.equal(RUSSIAN.ago(5 * 86_400_000), '5 дней назад')
})

test('D15: the first language that somebody reads and the page speaks is taken, else English', () => {
  assert.equal(preferredLanguage(['de-DE', 'ru-RU', 'en']), 'ru')
  assert.equal(preferredLanguage(['RU']), 'ru')
  assert.equal(preferredLanguage(['de', 'fr']), 'en')
  assert.equal(preferredLanguage(['constructor']), 'en')
  assert.equal(preferredLanguage([]), 'en')
})

describeDashboard('the languages of the dashboard', (at) => {
  before(() => {
    if (at.app.store.kind !== 'sqlite') throw new Error('only the embedded store can be filled')
    fillHistory({
      folder: at.app.store.folder,
      bannerIds: [42],
      ...HISTORY,
      countOf: (_, minute) => ((minute / MINUTE_MS) % 10 === 0 ? 1_000 : 0),
    })
  })

  test('D15: whoever reads Russian gets it, with the numbers and dates of it', async () => {
    await using opened = await at.newPage({ locale: 'ru-RU' })
    const { page } = opened
    await page.goto('/')
    await page.getByRole('heading', { name: 'Баннеры' }).waitFor()
    await becomes(() => page.evaluate('document.documentElement.lang'), 'ru')
    await page.getByText(/^11 баннеров/).waitFor()
    const search = page.getByRole('searchbox', { name: 'Поиск по названию или номеру' })
    await search.fill('Banner 4')
    await page.getByText(/^2 баннера/).waitFor()
    await search.fill('Banner 5')
    await page.getByText(/^1 баннер ·/).waitFor()

    await page.goto(
      '/#/banners/42?from=2026-02-01T00:00Z&to=2026-02-02T00:00Z&step=day&tz=UTC&as=table',
    )
    await becomes(() => figureOf(page, 'Всего'), (144_000).toLocaleString('ru'))
    await becomes(async () => (await rowsOf(page))[0]?.[0], 'вс, 1 февр. 2026 г.')
    await opened.assertClean()
  })

  test('D15: a switch changes the language everywhere at once, and is remembered', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/42?from=2026-02-01T00:00Z&to=2026-02-02T00:00Z&step=hour&tz=UTC')
    await page.getByRole('img', { name: 'Clicks on Banner 42 over time, 144,000 in all' }).waitFor()
    assert.equal(await page.evaluate('document.documentElement.lang'), 'en')
    const address = page.url()
    await page.getByLabel('Language').selectOption('Русский')
    await page.getByRole('heading', { name: 'Настройки' }).waitFor()
    const total = (144_000).toLocaleString('ru')
    await page
      .getByRole('img', { name: `Динамика кликов по баннеру «Banner 42», всего ${total}` })
      .waitFor()
    await becomes(() => page.evaluate('document.documentElement.lang'), 'ru')
    assert.equal(page.url(), address)

    await page.goto('/#/new')
    await page.getByRole('heading', { name: 'Добавить баннер' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Добавить баннер' }).waitFor()
    await becomes(() => page.title(), 'Добавить баннер – Tallymark')
    await page.getByLabel('Язык').selectOption('English')
    await page.getByRole('heading', { name: 'Add a banner' }).waitFor()
    await becomes(() => page.title(), 'Add a banner – Tallymark')
    await opened.assertClean()
  })

  test('D15: every view is Russian to those who read it, but for names and what the service answers', async () => {
    await using opened = await at.newPage({ locale: 'ru-RU' })
    const { page } = opened
    const known = /Tallymark|API|English|Banner \d+|Paused|CSV|HTML|JavaScript|https:\/\/\S+|UTC/g
    for (const [address, heading] of [
      ['/', 'Баннеры'],
      ['/#/new', 'Добавить баннер'],
      ['/#/nothing', 'Такой страницы нет.'],
      ['/#/banners/50', 'Настройки'],
    ] as const) {
      await page.goto(address)
      await page.getByRole('heading', { name: heading }).waitFor()
      await page.evaluate(
        `document.querySelectorAll('code, option, .snippet > span').forEach((each) => (each.textContent = ''))`,
      )
      const words = (await page.locator('body').innerText()).replaceAll(known, '')
      assert.deepEqual(words.match(/[A-Za-z]{2,}/g) ?? [], [], address)
    }
    await opened.assertClean()
  })
})
