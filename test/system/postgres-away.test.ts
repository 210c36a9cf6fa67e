// The real process on a Postgres that is not there yet, hangs, or is away at the stop.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createDatabase, runSql, type TestDatabase } from '../support/database.ts'
import { startPostgres, type PostgresServer } from '../support/postgres.ts'
import { runProgram, startService, temporaryFolder, totalOf } from '../support/service.ts'

let postgres: PostgresServer
let database: TestDatabase
before(async () => {
  postgres = await startPostgres({ isDurable: true })
  database = await createDatabase(postgres.url)
})
after(async () => {
  await postgres[Symbol.asyncDispose]()
})

/** Until the test ends, however it does: what it has opened could not be closed. */
function frozen(): Disposable {
  postgres.freeze()
  return { [Symbol.dispose]: () => postgres.thaw() }
}

async function statusOf(url: string, method = 'GET'): Promise<number> {
  const answer = await fetch(url, { method })
  await answer.arrayBuffer()
  return answer.status
}

async function untilStatus(url: string, status: number): Promise<void> {
  const deadline = performance.now() + 60_000
  while ((await statusOf(url)) !== status) {
    assert.ok(performance.now() < deadline, `${url} never answers ${status}`)
    await pause(50)
  }
}

async function problemOf(url: string, method = 'GET') {
  const answer = await fetch(url, { method })
  const { code } = (await answer.json()) as { code: string } // a problem
  return [answer.status, code, answer.headers.get('retry-after')]
}

test('I11: started while Postgres is away, it says so, and counts as soon as it is there', async () => {
  await postgres.kill()
  await using service = await startService({ DATABASE_URL: database.url })
  const { origin } = service
  const away = [503, 'store_unavailable', '1']
  assert.deepEqual(await problemOf(`${origin}/counter/7`, 'POST'), away)
  assert.deepEqual(await problemOf(`${origin}/stats/7`), away)
  assert.deepEqual(await problemOf(`${origin}/stats`), away)
  assert.deepEqual(await problemOf(`${origin}/series?banners=7`), away)
  assert.deepEqual(await problemOf(`${origin}/banners`), away)
  assert.deepEqual(await problemOf(`${origin}/live`), away)
  assert.deepEqual(await problemOf(`${origin}/readyz`), [503, 'not_ready', '1'])
  assert.equal(await statusOf(`${origin}/healthz`), 200)
  await postgres.start()
  // Until the tables and the banners of the first start are there nothing is read or changed.
  for (let status = 503; status === 503;) {
    const body = JSON.stringify({ name: 'Too early' })
    const headers = { 'content-type': 'application/json' }
    const posted = await fetch(`${origin}/banners`, { method: 'POST', headers, body })
    status = posted.status
    if (status === 201) {
      assert.deepEqual(((await posted.json()) as { id: number }).id, 101) // after the demo banners
    } else assert.equal(status, 503, await posted.text())
  }
  await untilStatus(`${origin}/readyz`, 200)
  assert.equal(await statusOf(`${origin}/counter/7`, 'POST'), 200)
  assert.equal(await totalOf(origin), 1)
  assert.equal(await service.stop(), 0)
  const lines = service.output().trim().split('\n')
  assert.match(lines[0] ?? '', /WARN {2}The store is away, trying again: connect ECONNREFUSED/)
  assert.match(service.output(), /INFO {2}The store is there; counting/)
  assert.ok(lines.length <= 5, service.output())
})

test('E6: before Postgres was ever there, a wrong request is told what is wrong with it', async () => {
  await postgres.kill()
  await using service = await startService({ DATABASE_URL: database.url })
  const json = { 'content-type': 'application/json' }
  const table: [method: string, path: string, init: RequestInit, status: number][] = [
    ['GET', '/stats/1?foo=1', {}, 400],
    ['GET', '/stats/1?tsFrom=5&tsTo=1', {}, 400],
    ['GET', '/stats?foo=1', {}, 400],
    ['GET', '/series?foo=1', {}, 400],
    ['GET', '/live?foo=1', {}, 400],
    ['GET', '/banners?limit=x', {}, 400],
    ['GET', '/banners/1?foo=1', {}, 400],
    ['POST', '/stats/1', { body: 'nonsense' }, 400],
    ['POST', '/stats/1', { body: 'x'.repeat(16_385) }, 413],
    ['POST', '/banners', { body: '{}', headers: json }, 400],
    ['POST', '/banners', { body: '{}' }, 415],
    ['PATCH', '/banners/1', { body: '{"foo":1}', headers: json }, 400],
    ['DELETE', '/banners/1?foo=1', {}, 400],
  ]
  for (const [method, path, init, status] of table) {
    const answer = await fetch(`${service.origin}${path}`, { method, ...init })
    assert.equal(answer.status, status, `${method} ${path}: ${await answer.text()}`)
  }
  await postgres.start()
})

test('stopped while Postgres was never there, it stops at once', async () => {
  await postgres.kill()
  await using service = await startService({ DATABASE_URL: database.url })
  assert.equal(await service.stop(), 0, service.output())
  await postgres.start()
})

test('a database that does not exist is an error, with a sentence', async () => {
  using folder = temporaryFolder()
  const url = new URL(database.url)
  url.pathname = 'nowhere'
  const { exitCode, output } = await runProgram(folder.path, [], {
    DATABASE_URL: url.href,
    PORT: '0',
  })
  assert.equal(exitCode, 1)
  assert.match(
    output,
    /^tallymark: Postgres at 127\.0\.0\.1:\d+\/nowhere has no such database \(.*\)\.\n$/,
  )
})

test('rights that are taken away while it runs end it with a sentence', async () => {
  await using own = await createDatabase(postgres.url)
  const role = `counter_${process.pid}`
  const url = new URL(own.url)
  url.username = role
  await runSql(
    own.url,
    `create role ${role} login; grant create, usage on schema public to ${role}`,
  )
  try {
    await using service = await startService({ DATABASE_URL: url.href })
    await untilStatus(`${service.origin}/readyz`, 200)
    await runSql(own.url, `alter table registry owner to postgres`)
    await once(service.child, 'exit')
    assert.equal(service.child.exitCode, 1)
    const expected =
      /FATAL +Postgres at \S+ does not give the rights \(permission denied for table registry\)\.\n$/
    assert.match(service.output(), expected)
  } finally {
    await runSql(own.url, `drop owned by ${role}; drop role ${role}`)
  }
})

test('I4: a Postgres that hangs costs 503s and bounded memory, and counting resumes by itself', async () => {
  await using own = await createDatabase(postgres.url)
  await using service = await startService({
    DATABASE_URL: own.url,
    ACK_TIMEOUT_MS: '500',
    WAITING_MAX: '20',
  })
  const { origin } = service
  assert.equal(await statusOf(`${origin}/counter/1`, 'POST'), 200)
  postgres.freeze()
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      problemOf(`${origin}/counter/${1 + (index % 9)}`, 'POST'),
    ),
  )
  const refusedWith = (code: string) => answers.filter((each) => each[1] === code).length
  assert.ok(refusedWith('overloaded') >= 40)
  assert.equal(refusedWith('overloaded') + refusedWith('store_unavailable'), 60)
  await untilStatus(`${origin}/readyz`, 503)
  postgres.thaw()
  await untilStatus(`${origin}/readyz`, 200)
  assert.equal(await statusOf(`${origin}/counter/1`, 'POST'), 200)
  const counted = await totalOf(origin)
  assert.ok(counted >= 2 && counted <= 2 + refusedWith('store_unavailable'), `counted ${counted}`)
  assert.equal(await service.stop(), 0, service.output())
})

test('O2: a Postgres that hangs or dies is seen by /readyz before a click comes', async () => {
  await using own = await createDatabase(postgres.url)
  await using service = await startService({ DATABASE_URL: own.url })
  const { origin } = service
  await untilStatus(`${origin}/readyz`, 200)
  postgres.freeze()
  await untilStatus(`${origin}/readyz`, 503)
  assert.equal(await statusOf(`${origin}/counter/1`, 'HEAD'), 503)
  postgres.thaw()
  await untilStatus(`${origin}/readyz`, 200)
  await postgres.kill()
  await untilStatus(`${origin}/readyz`, 503)
  await postgres.start()
  await untilStatus(`${origin}/readyz`, 200)
  assert.equal(await statusOf(`${origin}/counter/1`, 'HEAD'), 200)
  assert.equal(await service.stop(), 0)
  assert.match(service.output(), /WARN {2}The store does not answer, trying again: /)
  assert.match(service.output(), /INFO {2}The store answers again/)
})

test('a Postgres that hangs does not keep a service from stopping that has nothing to store', async () => {
  await using own = await createDatabase(postgres.url)
  await using service = await startService({ DATABASE_URL: own.url })
  assert.equal(await statusOf(`${service.origin}/counter/1`, 'POST'), 200)
  postgres.freeze()
  await pause(1_500) // the follower of banners and the merger are at it
  assert.equal(await service.stop(), 0, service.output())
  postgres.thaw()
})

test('Postgres killed again and again while processes start: they wait for it', async () => {
  await using own = await createDatabase(postgres.url)
  const starting = Array.from({ length: 2 }, () => startService({ DATABASE_URL: own.url }))
  for (let round = 0; round < 4; round += 1) {
    await pause(250)
    await postgres.kill()
    await postgres.start()
  }
  for (const service of await Promise.all(starting)) {
    await untilStatus(`${service.origin}/readyz`, 200)
    assert.equal(await service.stop(), 0, service.output())
  }
})

test('a click that waits when the stop has no more time for it is answered', async () => {
  await using own = await createDatabase(postgres.url)
  await using service = await startService({
    DATABASE_URL: own.url,
    ACK_TIMEOUT_MS: '60000',
    SHUTDOWN_TIMEOUT_MS: '3000',
  })
  const { origin } = service
  assert.equal(await statusOf(`${origin}/counter/1`, 'POST'), 200)
  using _ = frozen()
  const answers = [1, 2].map((id) => problemOf(`${origin}/counter/${id}`, 'POST'))
  await untilStatus(`${origin}/readyz`, 503)
  assert.equal(await service.stop(), 1)
  for (const answer of answers) assert.deepEqual(await answer, [503, 'store_unavailable', '1'])
  assert.match(
    service.output(),
    /Gave up stopping after 3000 ms: \d clicks? not acknowledged, which/,
  )
})

test('what cannot be stored before the stop is over is said, with exit code 1', async () => {
  await using own = await createDatabase(postgres.url)
  await using service = await startService({
    DATABASE_URL: own.url,
    ACK_TIMEOUT_MS: '500',
    SHUTDOWN_TIMEOUT_MS: '2000',
  })
  using _ = frozen()
  assert.deepEqual(await problemOf(`${service.origin}/counter/1`, 'POST'), [
    503,
    'store_unavailable',
    '1',
  ])
  assert.equal(await service.stop(), 1)
  assert.match(
    service.output(),
    /Gave up stopping after 2000 ms: 1 click not acknowledged, which may be counted or not/,
  )
})
