// `tallymark banners` on real stores, beside a service and without one.
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { runCommand, startService, totalOf, type Service } from '../support/service.ts'
import { emptyResult, runLoad } from '../support/load.ts'
import { createPlace, needsOf, SERVICE_SHAPES, SHAPES, type TestPlace } from '../support/shapes.ts'

/** Until the status of a click is this one; a service is expected to need two seconds at most. */
async function untilClick({ origin }: Service, banner: number, status: number): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const answer = await fetch(`${origin}/counter/${banner}`, { method: 'POST' })
    if (answer.status === status) return
    assert.ok(performance.now() < deadline, `it is still ${answer.status}`)
    await pause(50)
  }
}

function banners({ folder, settings }: TestPlace, ...args: string[]) {
  return runCommand(folder, ['banners', ...args], settings)
}

async function printed(place: TestPlace, ...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await banners(place, ...args)
  assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' }, args.join(' '))
  return stdout
}

for (const shape of SERVICE_SHAPES) {
  test(
    `O11: a running service sees what is added and imported, on ${shape}`,
    needsOf(shape),
    async () => {
      await using place = await createPlace(shape)
      await using service = await startService(place.settings)
      await untilClick(service, 500, 404)
      await untilClick(service, 1, 200)
      assert.equal(await printed(place, 'add', 'Autumn sale', '--id', '500'), '500\n')
      await untilClick(service, 500, 200)
      assert.equal(await printed(place, 'add', 'Paused', '--id=501', '--status=paused'), '501\n')
      await untilClick(service, 501, 410)
      const file = join(place.folder, 'mine.json')
      writeFileSync(
        file,
        JSON.stringify([
          { id: 1, name: 'Not changed', status: 'paused' },
          { id: 600, name: 'Imported', url: 'https://shop.example/' },
          { id: 601, name: 'Archived', status: 'archived' },
        ]),
      )
      assert.equal(await printed(place, 'import', file), 'Banners added: 2, known already: 1.\n')
      await untilClick(service, 600, 200)
      await untilClick(service, 601, 410)
      await untilClick(service, 1, 200)
      assert.equal(
        await printed(place, 'import', 'mine.json'),
        'Banners added: 0, known already: 3.\n',
      )
      assert.equal(await service.stop(), 0, service.output())
    },
  )
}

for (const shape of SHAPES) {
  test(`${shape}: the list is that of the service`, async () => {
    await using place = await createPlace(shape)
    const many = Array.from({ length: 2_500 }, (_, index) => ({
      id: index * 3 + 1,
      name: `Banner ${index}`,
      status: index % 100 === 7 ? 'archived' : 'active',
    }))
    writeFileSync(join(place.folder, 'many.json'), JSON.stringify(many))
    await printed(place, 'import', 'many.json')
    await using service = await startService(place.settings)
    const listed = async (archived: boolean) => {
      const all: unknown[] = []
      for (let after: number | undefined = 0; after !== undefined;) {
        const query = `limit=700&after=${after}&archived=${archived}`
        const answer = await fetch(`${service.origin}/banners?${query}`)
        // GET /banners of the contract.
        const page = (await answer.json()) as { banners: { id: number }[]; next?: number }
        all.push(...page.banners)
        after = page.next
      }
      return { banners: all }
    }
    assert.deepEqual(JSON.parse(await printed(place, 'list', '--json')), await listed(false))
    const whole = await listed(true)
    assert.equal(whole.banners.length, 2_500)
    assert.deepEqual(JSON.parse(await printed(place, 'list', '--archived', '--json')), whole)
    const lines = (await printed(place, 'list')).trimEnd().split('\n')
    assert.equal(lines.length, 1 + 2_475)
    assert.match(lines[0] ?? '', /^ *id {2}status +name +url$/)
    assert.match(lines.at(-1) ?? '', /^7498 {2}active +Banner 2499$/)
    assert.doesNotMatch(service.output(), /First start/, 'imported banners are the first ones')
  })

  test(`${shape}: adding makes the database, and ids are given out in turn and never twice`, async () => {
    await using place = await createPlace(shape)
    const absent = await banners(place, 'list')
    assert.deepEqual([absent.exitCode, absent.stdout], [1, ''])
    assert.match(absent.stderr, /^tallymark: .* yet; start the service once\.\n$/)
    assert.equal(await printed(place, 'add', 'One'), '1\n')
    assert.equal(await printed(place, 'add', '42', '--id=2', '--url=https://shop.example/'), '2\n')
    assert.equal(await printed(place, 'add', '--', '--three'), '3\n')
    assert.equal(
      await printed(place, 'list'),
      'id  status  name     url\n 1  active  One\n 2  active  42       https://shop.example/\n 3  active  --three\n',
    )
    assert.deepEqual(await banners(place, 'add', 'Again', '--id', '2'), {
      exitCode: 1,
      stdout: '',
      stderr: "tallymark: Id 2 is or was a banner's; choose another one, or none.\n",
    })
    assert.equal(await printed(place, 'add', 'Last', '--id=2147483647'), '2147483647\n')
  })
}

test('SQLite: under load a command gets its turn, and no click is refused for it', async () => {
  await using place = await createPlace('SQLite')
  await using service = await startService(place.settings)
  const result = emptyResult()
  let isOver = false
  const next = () => (isOver ? undefined : { path: '/counter/8' })
  const loading = runLoad({ origin: service.origin, connections: 32, result, next })
  for (let id = 200; id < 205; id += 1) {
    assert.equal(await printed(place, 'add', 'Sale', `--id=${id}`), `${id}\n`)
  }
  isOver = true
  await loading
  assert.ok(result.acknowledged > 0)
  assert.deepEqual([result.unanswered, [...result.refused]], [0, []])
  assert.equal(await totalOf(service.origin), result.acknowledged)
  assert.equal(await service.stop(), 0, service.output())
})

test('what is wrong with a banner, a file or the arguments is said, and nothing is made', async () => {
  await using place = await createPlace('SQLite')
  for (const [args, sentence] of [
    [[], 'say what to do: list, add or import'],
    [['remove'], '"remove" is neither list, add nor import'],
    [['list', 'all'], 'unexpected argument "all"'],
    [['add'], '<name> is missing'],
    [['add', 'Autumn', 'sale'], 'unexpected argument "sale"'],
    [['add', 'Sale', '--id=01'], '--id must be an integer from 1 to 2147483647'],
    [
      ['add', '', '--status=gone'],
      '<name> must have 1 to 200 characters; --status must be one of active, paused, archived',
    ],
    [
      ['add', 'Sale', '--url=javascript:alert(1)'],
      '--url must be an http or https URL of at most 2048 characters',
    ],
    [['import'], '<file> is missing'],
  ] as const) {
    const stderr = `tallymark: ${sentence}; see tallymark help banners\n`
    assert.deepEqual(await banners(place, ...args), { exitCode: 2, stdout: '', stderr })
  }
  writeFileSync(join(place.folder, 'wrong.json'), '[{"id": 0, "name": "Sale"}]')
  for (const [file, sentence] of [
    ['none.json', /^tallymark: The banners file none\.json cannot be read: ENOENT/],
    [
      'wrong.json',
      /^tallymark: The banners file wrong\.json is wrong: banner 1: id must be an int/,
    ],
  ] as const) {
    const { exitCode, stdout, stderr } = await banners(place, 'import', file)
    assert.deepEqual([exitCode, stdout], [2, ''])
    assert.match(stderr, sentence)
  }
  assert.equal(existsSync(String(place.dataFolder)), false)
})
