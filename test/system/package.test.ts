// The package as users get it: `npm pack`, installed into an empty folder, run there by npx.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join, relative } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createDatabase } from '../support/database.ts'
import { runningProcesses, signal } from '../support/processes.ts'
import {
  freePort,
  servingChild,
  temporaryFolder,
  totalOf,
  type Service,
} from '../support/service.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const NPM_TIMEOUT_MS = 120_000
const END_TIMEOUT_MS = 30_000
/** What a clone would not have, and `.preparing`, which comes and goes while others start. */
const NOT_COPIED = ['.git', '.env', '.preparing', 'coverage', 'data', 'dist', 'node_modules']

const folder = temporaryFolder()
const copy = join(folder.path, 'copy')
const empty = join(folder.path, 'empty')
const ours = readJson(join(ROOT, 'package.json'))
const tarball = join(folder.path, `tallymark-${String(ours['version'])}.tgz`)

before(() => {
  // In a copy, because packing builds: `npm start` of other tests runs what is in dist.
  cpSync(ROOT, copy, {
    recursive: true,
    filter: (path) => !NOT_COPIED.includes(relative(ROOT, path)) && !path.endsWith('.tgz'),
  })
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  npm(copy, 'pack')
  // What somebody left in dist since it was built.
  for (const place of ['dist', 'dist/page/dashboard/assets']) {
    writeFileSync(join(copy, place, 'stray.js'), '')
  }
  npm(copy, 'pack', `--pack-destination=${folder.path}`)
  mkdirSync(empty)
  // The folder is named, or npm would look for a package.json in those above.
  npm(empty, 'install', tarball, `--prefix=${empty}`, '--prefer-offline', '--ignore-scripts')
})
after(() => folder[Symbol.dispose]())

function npm(cwd: string, ...args: readonly string[]): void {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  const options = { cwd, timeout: NPM_TIMEOUT_MS, encoding: 'utf8' } as const
  const { status, stdout, stderr } = spawnSync('npm', [...args, ...quiet], options)
  assert.equal(status, 0, `npm ${args.join(' ')}:\n${stdout}${stderr}`)
}

function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown> // npm writes objects
}

/** Of a user whose Node is the one that runs the tests; nothing of npm's that runs the tests. */
function environment(settings: Record<string, string> = {}): NodeJS.ProcessEnv {
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter)
  return { PATH: path, HOME: process.env['HOME'], ...settings }
}

function npx(command: string): string {
  const options = { cwd: empty, env: environment(), encoding: 'utf8' } as const
  const { stdout, stderr, status } = spawnSync(
    'npx',
    ['--no-install', 'tallymark', command],
    options,
  )
  assert.equal(status, 0, stderr)
  return stdout
}

async function serveByNpx(settings: Record<string, string>): Promise<Service> {
  const port = await freePort()
  const child = spawn('npx', ['--no-install', 'tallymark', 'serve'], {
    cwd: empty,
    env: environment({ ...settings, PORT: String(port) }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  return await servingChild(child, port)
}

/** npx, its shell if that stays, and the service, which is the last. */
function processesOf({ child }: Service): number[] {
  const all = runningProcesses()
  const found = [Number(child.pid)]
  for (const pid of found) {
    found.push(...all.filter(({ parent }) => parent === pid).map((each) => each.pid))
  }
  return found
}

async function untilGone(pids: readonly number[]): Promise<void> {
  const deadline = performance.now() + END_TIMEOUT_MS
  const left = () => runningProcesses().filter(({ pid }) => pids.includes(pid))
  while (left().length > 0 && performance.now() < deadline) await pause(20)
  const stayed = left().map(({ pid }) => pid)
  signal(stayed, 'SIGKILL')
  assert.deepEqual(stayed, [], 'processes that had to be killed')
}

/** On Linux; elsewhere arguments are not read that easily. */
function assertArgument(pid: number, argument: string): void {
  if (process.platform !== 'linux') return
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  assert.ok(args.includes(argument), args.join(' '))
}

/** The dashboard and the page of the API, with the files that they name. */
async function seePages(origin: string): Promise<void> {
  for (const page of ['/', '/docs']) {
    const answer = await fetch(`${origin}${page}`)
    assert.equal(answer.status, 200, page)
    const files = (await answer.text()).matchAll(/(?:src|href)="((?:\.\/assets|docs)\/[^"]+)"/g)
    const paths = [...files].map(([, file = '']) => file)
    assert.ok(paths.length >= 3, page)
    for (const path of paths) assert.equal((await fetch(new URL(path, origin))).status, 200, path)
  }
}

async function countOnce({ origin }: Service): Promise<void> {
  await seePages(origin)
  const answer = await fetch(`${origin}/counter/1`, { method: 'POST' })
  assert.equal(answer.status, 200)
  assert.equal(await totalOf(origin), 1)
}

test('the tarball holds what the program needs, and nothing else', () => {
  const listed = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trimEnd().split('\n')
  const compiled = globSync('src/**/*.ts', { cwd: ROOT }).map((path) =>
    path.replace(/^src(.*)\.ts$/, 'dist$1.js'),
  )
  const schemas = globSync('sql/*/*.sql', { cwd: ROOT })
  const docs = ['docs.js', 'index.html', 'swagger-ui-bundle.js', 'swagger-ui.css']
  // Their names tell their content: those that other tests see, built of the same sources.
  const hashed = globSync('dist/page/dashboard/assets/*.{css,js,svg}', { cwd: ROOT })
  const page = [
    ...docs.map((file) => `dist/page/docs/${file}`),
    'dist/page/dashboard/index.html',
    ...hashed,
  ].flatMap((file) => [file, `${file}.gz`])
  const root = ['.example.env', 'LICENSE', 'README.md', 'banners.json', 'package.json']
  const documents = globSync('docs/*.{md,json}', { cwd: ROOT })
  const licenses = ['dist/page/dashboard/licenses.md', 'dist/page/docs/swagger-ui.LICENSE.txt']
  const wanted = [...root, ...documents, ...schemas, ...compiled, ...page, ...licenses]
  assert.ok(hashed.length >= 3)
  assert.deepEqual(listed.toSorted(), wanted.map((path) => `package/${path}`).toSorted())
})

test('its package.json has nothing that is for developers, and ours was left alone', () => {
  const { name, version, description, license, type, dependencies } = ours
  assert.deepEqual(readJson(join(empty, 'node_modules/tallymark/package.json')), {
    name,
    version,
    description,
    license,
    type,
    bin: { tallymark: 'dist/bin.js' },
    dependencies,
    engines: { node: '>=24.12' },
  })
  assert.deepEqual(readJson(join(copy, 'package.json')), ours)
})

test('no package that comes with it has an install script, or is one for development', () => {
  const { packages } = readJson(join(empty, 'package-lock.json'))
  const installed = packages as Record<string, { hasInstallScript?: true }> // of lock file version 3
  const names = Object.keys(installed)
  assert.ok(names.includes('node_modules/tallymark') && names.includes('node_modules/fastify'))
  assert.deepEqual(
    names.filter((name) => installed[name]?.hasInstallScript),
    [],
  )
  const others = ['devDependencies', 'optionalDependencies'].flatMap((key) =>
    Object.keys(ours[key] as object).map((name) => `node_modules/${name}`),
  )
  assert.deepEqual(
    names.filter((name) => others.includes(name)),
    [],
  )
})

test('npx runs its commands', () => {
  assert.equal(npx('version'), `${String(ours['version'])}\n`)
  assert.match(npx('help'), /^Usage: tallymark \[command\]/m)
})

const oldNode = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((path) => join(path, 'node'))
  .filter((path) => existsSync(path))
  .find((path) => !isNewEnough(execFileSync(path, ['--version'], { encoding: 'utf8' })))

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number)
  return major > 24 || (major === 24 && minor >= 12)
}

test(
  'an old Node says that it is too old',
  { skip: oldNode === undefined && 'there is none in PATH' },
  () => {
    const bin = join(empty, 'node_modules/.bin/tallymark')
    const { status, stderr } = spawnSync(oldNode ?? '', [bin], { encoding: 'utf8' })
    assert.match(stderr, /^Tallymark needs Node\.js >= 24\.12; this is v[\d.]+\. .*\n$/)
    assert.equal(status, 2)
  },
)

test('npx serves from an empty folder; SIGTERM ends it with exit code 0', async () => {
  await using service = await serveByNpx({ DATA_DIR: 'data' })
  await countOnce(service)
  const pids = processesOf(service)
  const pid = pids.at(-1) ?? 0
  assertArgument(pid, '--max-semi-space-size=4')
  const closed = once(service.child, 'close')
  process.kill(pid, 'SIGTERM')
  await untilGone(pids)
  await closed
  assert.equal(service.child.exitCode, 0, service.output())
  assert.ok(existsSync(join(empty, 'data/tallymark.sqlite')))
})

test('on Postgres too; a SIGTERM that only npx gets stops the service all the same', async () => {
  await using database = await createDatabase()
  await using service = await serveByNpx({ DATABASE_URL: database.url })
  await countOnce(service)
  const pids = processesOf(service)
  assertArgument(pids.at(-1) ?? 0, '--max-semi-space-size=16')
  const closed = once(service.child, 'close') // when the service ends, whose output it is too
  service.child.kill('SIGTERM')
  await untilGone(pids)
  await closed
  assert.match(service.output(), /Stopped; every acknowledged click is counted/)
})
