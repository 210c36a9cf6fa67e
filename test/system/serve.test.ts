// Starting and stopping the real service, as people and process managers do it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createDatabase } from '../support/database.ts'
import { post } from '../support/load.ts'
import {
  repositoryFolder,
  runProgram,
  serviceEnvironment,
  startService,
  temporaryFolder,
  type Service,
} from '../support/service.ts'

/** Ctrl-C in a terminal: every process of the group gets the signal. */
function pressControlC(service: Service): void {
  process.kill(-Number(service.child.pid), 'SIGINT')
}

async function exitCodeOf({ child }: Service): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

/** Holds the store so that a click stays under way, until disposal. */
async function withClickUnderWay(service: Service, folder: string) {
  // The service may be about to write.
  const other = new DatabaseSync(join(folder, 'tallymark.sqlite'), { timeout: 5_000 })
  other.exec('begin immediate')
  const agent = new Agent()
  const answer = post(`${service.origin}/counter/1`, agent)
  const metrics = async () => (await fetch(`${service.origin}/metrics`)).text()
  while (!/^tallymark_clicks_waiting 1$/m.test(await metrics())) await pause(20)
  return { answer, [Symbol.dispose]: () => other.close() }
}

test('O7: a normal start says two lines, a normal stop one', async () => {
  using folder = temporaryFolder()
  await using first = await startService({ DATA_DIR: folder.path })
  assert.equal(await first.stop('SIGTERM'), 0)
  const lines = first.output().trimEnd().split('\n')
  assert.equal(lines.length, 3, first.output())
  assert.match(lines[0] ?? '', /INFO {2}First start: loaded 100 banners from banners\.json$/)
  assert.match(lines[1] ?? '', /INFO {2}Tallymark \S+ \(embedded SQLite in .*\) listens on http:/)
  assert.match(lines[2] ?? '', /INFO {2}Stopped; every acknowledged click is counted$/)
  await using second = await startService({ DATA_DIR: folder.path })
  assert.equal(await second.stop('SIGINT'), 0)
  assert.equal(second.output().trimEnd().split('\n').length, 2, second.output())
})

test('O9: a typo in a name is a warning, and the service runs', async () => {
  using folder = temporaryFolder()
  const settings = { DATA_DIR: folder.path, KEY_RETENTION_HOUR: '24' }
  await using service = await startService(settings)
  assert.match(
    service.output(),
    /^\S+ WARN {2}KEY_RETENTION_HOUR is no setting; did you mean KEY_RETENTION_HOURS\?$/m,
  )
})

test('O5: Ctrl-C, twice within a moment, is one wish to stop: what is under way is settled first', async () => {
  using folder = temporaryFolder()
  await using service = await startService({ DATA_DIR: folder.path })
  const click = await withClickUnderWay(service, folder.path)
  pressControlC(service)
  await pause(100)
  pressControlC(service)
  await pause(300)
  assert.equal(service.child.exitCode, null, service.output())
  click[Symbol.dispose]()
  assert.equal(await click.answer, 200)
  assert.equal(await exitCodeOf(service), 0, service.output())
})

test('O5: a signal more than a second after the first ends the process at once', async () => {
  using folder = temporaryFolder()
  const settings = { DATA_DIR: folder.path, SHUTDOWN_TIMEOUT_MS: '600000', ACK_TIMEOUT_MS: '60000' }
  await using service = await startService(settings)
  using click = await withClickUnderWay(service, folder.path)
  service.child.kill('SIGTERM')
  await pause(1_300)
  service.child.kill('SIGTERM')
  assert.equal(await exitCodeOf(service), 1)
  assert.equal(await click.answer, 'unanswered')
  const [last = ''] = service.output().trimEnd().split('\n').slice(-1)
  assert.match(last, /ERROR Ended at once by a second SIGTERM: 1 click not acknowledged, which /)
})

test('O5: a stop that cannot settle everything gives up with exit code 1, and says what was left', async () => {
  using folder = temporaryFolder()
  const settings = { DATA_DIR: folder.path, SHUTDOWN_TIMEOUT_MS: '1500', ACK_TIMEOUT_MS: '60000' }
  await using service = await startService(settings)
  using click = await withClickUnderWay(service, folder.path)
  assert.equal(await service.stop('SIGTERM'), 1)
  assert.equal(await click.answer, 503)
  assert.match(
    service.output(),
    /ERROR Gave up stopping after 1500 ms: 1 click not acknowledged, which may be counted or not/,
  )
})

test('O5: a signal during the start stops it, too', async () => {
  using folder = temporaryFolder()
  // At the moment when the service begins to be loaded.
  const hooks = `import{registerHooks}from'node:module'
    registerHooks({load(url,context,next){
      if(url.endsWith('/src/app.ts'))process.kill(process.pid,'SIGTERM')
      return next(url,context)
    }})`
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(hooks)}`
  const settings = { DATA_DIR: folder.path, PORT: '0', NODE_OPTIONS }
  const { exitCode, output } = await runProgram(folder.path, ['serve'], settings)
  assert.equal(exitCode, 0, output)
  assert.match(output, /INFO {2}Stopped; every acknowledged click is counted$/m)
})

test('O8: wrong values are all named before anything is opened, with exit code 2', async () => {
  using folder = temporaryFolder()
  const { exitCode, output } = await runProgram(folder.path, [], {
    PORT: 'http',
    WAITING_MAX: '0',
    ADMIN_TOKEN: 'secret',
    KAFKA_BROKERS: 'kafka:9092',
  })
  assert.equal(exitCode, 2)
  assert.equal(
    output,
    `tallymark: The configuration is wrong:
  - KAFKA_BROKERS needs Postgres: set DATABASE_URL or POSTGRES_HOST
  - PORT must be an integer from 0 to 65535; it is "http"
  - ADMIN_TOKEN must have at least 16 visible ASCII characters
  - WAITING_MAX must be an integer from 1 to 1000000; it is "0"
`,
  )
})

test('O8: what keeps it from starting is a sentence and an exit code', async () => {
  using folder = temporaryFolder()
  await using service = await startService({ DATA_DIR: folder.path })
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo // it listens on TCP
  writeFileSync(join(folder.path, 'file'), 'no folder')
  const PORT = '0'
  for (const [settings, code, sentence] of [
    [
      { DATA_DIR: folder.path, PORT },
      1,
      `DATA_DIR ${folder.path} is in use by another Tallymark. Stop that one, or set another DATA_DIR.`,
    ],
    [{ PORT: String(port) }, 1, `Port ${port} of 127.0.0.1 is taken; set PORT to a free one.`],
    [
      { DATA_DIR: 'file', PORT },
      1,
      'The folder of the database, file, is a file; name another one.',
    ],
    [{ DATA_DIR: 'file/data', PORT }, 1, 'DATA_DIR file/data cannot be made: '],
    [{ DATA_DIR: '/proc/nowhere/data', PORT }, 1, 'DATA_DIR /proc/nowhere/data cannot be made: '],
    [{ HOST: '203.0.113.1', PORT, DATA_DIR: './other' }, 2, 'HOST 203.0.113.1 is no address here.'],
    [
      { BANNERS_FILE: 'none.json', PORT, DATA_DIR: './third' },
      2,
      'The configuration is wrong:\n  - BANNERS_FILE names a file that cannot be read: ',
    ],
  ] as const) {
    const { exitCode, output } = await runProgram(folder.path, ['serve'], settings)
    assert.equal(exitCode, code, output)
    assert.ok(output.includes(`tallymark: ${sentence}`), output)
  }
  taken.close()
  assert.equal(await service.stop(), 0)
})

test('O7: values of .env count below those of the environment', async () => {
  using folder = temporaryFolder()
  const envFile = join(folder.path, '.env')
  writeFileSync(envFile, 'PORT=http\nWAITING_MAX=0\n')
  const { exitCode, output } = await runProgram(folder.path, [], { PORT: '0' })
  assert.equal(exitCode, 2)
  assert.match(output, /WAITING_MAX must be/)
  assert.doesNotMatch(output, /PORT/)
})

test('O8: a .env that cannot be read is a sentence and exit code 2, not ignored', async () => {
  using folder = temporaryFolder()
  mkdirSync(join(folder.path, '.env'))
  const { exitCode, output } = await runProgram(folder.path, [])
  assert.equal(exitCode, 2)
  assert.match(output, /^tallymark: \S+\.env cannot be read: EISDIR/)
})

test('O8: a .env of another encoding is refused, and a byte order mark is none of a name', async () => {
  using folder = temporaryFolder()
  const file = join(folder.path, '.env')
  for (const bytes of [
    Buffer.from('\ufeffPORT=1\n', 'utf16le'),
    Buffer.from('PORT=1\n', 'utf16le'),
    Buffer.from('HOST=\xfc', 'latin1'),
  ]) {
    writeFileSync(file, bytes)
    const { exitCode, output } = await runProgram(folder.path, [])
    assert.equal(exitCode, 2)
    assert.match(output, /^tallymark: \S+\.env cannot be read: .*(?:UTF-8|utf-8)/)
  }
  writeFileSync(file, '\ufeffPORT=http\n')
  const { output } = await runProgram(folder.path, [])
  assert.match(output, /- PORT must be an integer from 0 to 65535; it is "http"\n$/)
})

test('the URL of Postgres may stand in a file, and no line shows it', async () => {
  await using database = await createDatabase()
  using folder = temporaryFolder()
  const file = join(folder.path, 'database-url')
  writeFileSync(file, `${database.url}\n`)
  await using service = await startService({ DATABASE_URL_FILE: file })
  assert.equal(await service.stop(), 0, service.output())
  assert.match(service.output(), /\(Postgres at \S+\) listens on/)
  assert.ok(!service.output().includes(database.url), service.output())
})

test('wherever it is said that Postgres is the store, there is more room for new objects', () => {
  using folder = repositoryFolder()
  const run = (settings: Record<string, string>) => {
    const NODE_OPTIONS = '--import=data:text/javascript,console.error(process.execArgv.join())'
    const { status, stderr } = spawnSync(process.execPath, ['run.mjs', 'dist/main.js', 'version'], {
      cwd: folder.path,
      env: serviceEnvironment({ ...settings, NODE_OPTIONS }),
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.equal(status, 0, stderr)
    return stderr
  }
  assert.match(run({ DATABASE_URL: '' }), /--max-semi-space-size=4,/)
  for (const name of ['DATABASE_URL', 'DATABASE_URL_FILE', 'POSTGRES_HOST']) {
    assert.match(run({ [name]: 'somewhere' }), /--max-semi-space-size=16,/)
  }
  writeFileSync(join(folder.path, '.env'), 'DATABASE_URL_FILE=somewhere\n')
  assert.match(run({}), /--max-semi-space-size=16,/)
  rmSync(join(folder.path, '.env'))
  mkdirSync(join(folder.path, '.env'))
  assert.match(run({}), /--max-semi-space-size=4,/)
})
