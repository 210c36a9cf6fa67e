import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { jsonOf } from '../support/app.ts'
import { assertAccessible } from '../support/browser.ts'
import { describeDashboard } from '../support/dashboard.ts'
import { becomes } from '../support/shown.ts'

const REFUSED = /^console\.error: .* 4(?:00|03|09|10) /

describeDashboard('the forms for banners', (at) => {
  async function banner(id: number) {
    const answer = await fetch(`${at.app.origin}/banners/${id}`)
    return await jsonOf(answer)
  }

  async function changeElsewhere(id: number, change: Record<string, unknown>): Promise<void> {
    const answer = await fetch(`${at.app.origin}/banners/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(change),
    })
    assert.equal(answer.status, 200)
  }

  /** What the service itself says of a field. */
  async function messageOf(field: string, body: Record<string, unknown>): Promise<string> {
    const answer = await fetch(`${at.app.origin}/banners`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const { errors } = (await answer.json()) as { errors: { field: string; message: string }[] }
    const message = errors.find((error) => error.field === field)?.message
    assert.ok(message !== undefined, `nothing is said of ${field}`)
    return message
  }

  test('D12: a banner is added from the overview, under the next free number or a wanted one', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await page.getByRole('link', { name: 'Add a banner' }).click()
    await page.getByRole('textbox', { name: 'Name' }).fill('Summer sale')
    await page.getByRole('textbox', { name: 'Destination' }).fill('https://shop.example/sale')
    await page.getByRole('button', { name: 'Add a banner' }).click()
    await page.getByRole('heading', { name: 'Summer sale', level: 1 }).waitFor()
    const [, id = ''] = /#\/banners\/(\d+)/.exec(page.url()) ?? []
    const added = await banner(Number(id))
    assert.equal(added['name'], 'Summer sale')
    assert.equal(added['url'], 'https://shop.example/sale')

    await page.goto('/#/new')
    await page.getByRole('textbox', { name: 'Name' }).fill('Wanted')
    await page.getByRole('textbox', { name: 'ID' }).fill('4711')
    await page.getByRole('textbox', { name: 'ID' }).press('Enter')
    await page.waitForURL(/#\/banners\/4711/)
    await page.getByRole('heading', { name: 'Wanted', level: 1 }).waitFor()
    assert.equal((await banner(4711))['name'], 'Wanted')
    await opened.assertClean()
  })

  test('D12: what is wrong with a new banner stands beside the field, in the words of the service', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/new')
    const add = page.getByRole('button', { name: 'Add a banner' })
    const [name, url, id] = ['Name', 'Destination', 'ID'].map((each) =>
      page.getByRole('textbox', { name: each }),
    )
    assert.ok(name && url && id)
    await url.fill('ftp://shop.example/')
    await id.fill('first')
    await add.click()
    for (const [field, input, about] of [
      ['name', name, 'Name'],
      ['url', url, 'Destination'],
      ['id', id, 'ID'],
    ] as const) {
      const message = await messageOf(field, { name: '', url: 'ftp://shop.example/', id: 'first' })
      const label = page.locator('.field', { hasText: about })
      await label.getByRole('alert').getByText(message, { exact: true }).waitFor()
      assert.equal(await input.getAttribute('aria-invalid'), 'true')
      const described = `document.getElementById(document.querySelector('[name=${field}]')
        .getAttribute('aria-describedby')).innerText`
      assert.equal(await page.evaluate(described), message)
    }
    // Once they are right, one is left: the number was given before.
    await name.fill('Again')
    await url.fill('')
    await id.fill('42')
    await add.click()
    await becomes(() => page.getByRole('alert').count(), 1)
    const taken = await messageOf('id', { name: 'Again', id: 42 })
    const field = page.locator('.field', { hasText: 'ID' })
    await field.getByRole('alert').getByText(taken, { exact: true }).waitFor()
    assert.equal(await id.getAttribute('aria-invalid'), 'true')
    await page.getByRole('combobox', { name: 'Language' }).selectOption('ru')
    await page.getByRole('alert').getByText('Этот номер уже занят').waitFor()
    assert.equal((await banner(42))['name'], 'Banner 42')
    await opened.assertClean(REFUSED)
  })

  test('D12: a banner is renamed and its destination set and cleared', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/1')
    const [name, url] = ['Name', 'Destination'].map((each) =>
      page.getByRole('textbox', { name: each }),
    )
    assert.ok(name && url)
    await name.fill('Renamed')
    await url.fill('https://shop.example/new?a=1&b=2')
    await save(page)
    await page.getByRole('heading', { name: 'Renamed', level: 1 }).waitFor()
    await page.getByRole('link', { name: 'https://shop.example/new?a=1&b=2' }).waitFor()
    const { name: newName, url: newUrl } = await banner(1)
    assert.deepEqual([newName, newUrl], ['Renamed', 'https://shop.example/new?a=1&b=2'])

    await url.fill('')
    await save(page)
    await page.getByText('No destination').waitFor()
    assert.equal((await banner(1))['url'], null)

    await name.fill(' ')
    await page.getByRole('button', { name: 'Save' }).click()
    const message = await messageOf('name', { name: ' ' })
    await page.locator('.field', { hasText: 'Name' }).getByText(message, { exact: true }).waitFor()
    assert.equal((await banner(1))['name'], 'Renamed')
    await opened.assertClean(REFUSED)
  })

  test('D12: a banner is paused, resumed, archived and brought back', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/2')
    for (const [button, status, code] of [
      ['Pause', 'paused', 410],
      ['Resume', 'active', 200],
      ['Pause', 'paused', 410],
      ['Archive', 'archived', 410],
      ['Restore', 'active', 200],
    ] as const) {
      await page.locator('form').getByRole('button', { name: button, exact: true }).click()
      if (button === 'Pause') {
        const dialog = page.getByRole('dialog', { name: 'Pause Banner 2?' })
        await dialog.getByText(/^From then on its clicks are refused/).waitFor()
        await dialog.getByRole('button', { name: 'Pause' }).click()
      }
      await page.getByRole('status').getByText('Saved.').waitFor()
      const badge = page.getByRole('heading', { level: 1 }).getByText(status, { exact: true })
      if (status === 'active') await becomes(() => page.locator('h1 .badge').count(), 0)
      else await badge.waitFor()
      assert.equal((await banner(2))['status'], status)
      assert.equal((await fetch(`${at.app.origin}/counter/2`)).status, code)
    }
    await opened.assertClean()
  })

  test('D12: who is asked whether clicks shall be refused may say no', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/4')
    const archive = page.locator('form').getByRole('button', { name: 'Archive' })
    await archive.click()
    const dialog = page.getByRole('dialog', { name: 'Archive Banner 4?' })
    await assertAccessible(page)
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await dialog.waitFor({ state: 'detached' })
    await archive.press('Enter')
    await dialog.waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    const focused = await archive.evaluate((button) => button.matches(':focus'))
    assert.equal(focused, true)
    assert.equal((await banner(4))['status'], 'active')
    await opened.assertClean()
  })

  test('D12: saving leaves alone what somebody else has changed meanwhile', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/5')
    await page.getByRole('textbox', { name: 'Name' }).fill('Mine')
    const url = 'https://shop.example/theirs'
    await changeElsewhere(5, { url })
    await save(page)
    const { name, url: saved } = await banner(5)
    assert.deepEqual([name, saved], ['Mine', url])
    await page.getByRole('link', { name: url }).waitFor()
    await opened.assertClean()
  })

  test('D12: an answer from before a change does not undo it on the page', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/6')
    await page.getByRole('heading', { name: 'Banner 6', level: 1 }).waitFor()
    const { promise: released, resolve: release } = Promise.withResolvers<undefined>()
    const { promise: answered, resolve: answer } = Promise.withResolvers<undefined>()
    await page.route('**/banners/6', async (route) => {
      if (route.request().method() !== 'GET') return await route.continue()
      const response = await route.fetch()
      answer(undefined)
      await released
      await route.fulfill({ response })
    })
    await page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`) // asks anew
    await answered
    await page.getByRole('textbox', { name: 'Name' }).fill('Later')
    await save(page)
    const late = page.waitForResponse(
      (response) => response.request().method() === 'GET' && response.url().endsWith('/banners/6'),
    )
    release(undefined)
    await late
    // Drawn after whatever that answer would have changed.
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 100))')
    assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'Later')
    await opened.assertClean()
  })

  test('D12: a name that looks like a tag stays text, wherever it stands', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    const name = '<img src=x onerror="window.wasRun = true">'
    await page.goto('/#/new')
    await page.getByRole('textbox', { name: 'Name' }).fill(name)
    await page.getByRole('textbox', { name: 'ID' }).fill('666')
    await page.getByRole('button', { name: 'Add a banner' }).click()
    await page.getByRole('heading', { name, level: 1 }).waitFor()
    await page.getByRole('img', { name: `Clicks on ${name} over time` }).waitFor()
    await becomes(() => page.title(), `${name} – Tallymark`)
    await page.getByRole('link', { name: '← Overview' }).click()
    await page.getByRole('link', { name, exact: true }).waitFor()
    await page.getByRole('searchbox').fill('onerror')
    await page.getByRole('link', { name, exact: true }).waitFor()
    assert.equal(await page.evaluate(`document.querySelectorAll('main img, nav img').length`), 0)
    assert.equal(await page.evaluate('window.wasRun'), undefined)
    await opened.assertClean()
  })

  test('D12: who may not change banners from where they are is told why, and is asked for nothing', async () => {
    const headers = { 'X-Forwarded-For': '192.0.2.7' } // as a proxy adds it
    await using opened = await at.newPage({ extraHTTPHeaders: headers })
    const { page } = opened
    const answer = await fetch(`${at.app.origin}/banners/3`, {
      method: 'PATCH',
      headers: { ...headers, 'content-type': 'application/json' },
      body: '{}',
    })
    const { detail } = (await answer.json()) as { detail: string } // problem+json
    await page.goto('/#/banners/3')
    await page.getByRole('textbox', { name: 'Name' }).fill('Mine')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('alert').getByText(`The service answers: ${detail}`).waitFor()
    assert.equal(await page.getByRole('dialog').count(), 0)
    assert.equal(await page.getByRole('textbox', { name: 'Name' }).inputValue(), 'Mine')
    assert.equal((await banner(3))['name'], 'Banner 3')
    await opened.assertClean(REFUSED)
  })
})

async function save(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('status').getByText('Saved.').waitFor()
}
