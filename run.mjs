#!/usr/bin/env node
// Starts a program of this repository on any host with Node >= 20 and npm: installs the locked
// packages when they are missing or stale, finds a Node that is new enough, builds dist/ if the
// program is there and its sources have changed, and becomes the program.
//
//   node run.mjs dist/main.js serve
//
// Plain JavaScript, without dependencies: it runs before anything is installed.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MIN = [24, 12] // the first with stable type stripping
const PREPARE_TIMEOUT_MS = 10 * 60_000

const root = dirname(fileURLToPath(import.meta.url))
const modules = join(root, 'node_modules')
const dist = join(root, 'dist')
const page = join(dist, 'page')
const [program = '', ...rest] = process.argv.slice(2)

await prepare(join(modules, '.installed'), lockedPackages, installLocked)
const node = suitableNode()
const isBuilt = program.startsWith('dist/')
await prepare(join(page, '.built'), pageSources, () => buildPage(node))
if (isBuilt) await prepare(join(dist, '.built'), sources, () => build(node))
become(node, [...(isBuilt ? await memoryFlags() : []), program, ...rest])

/** Those that the installed package gives itself. */
async function memoryFlags() {
  const compiled = await import(new URL('dist/memory-flags.js', import.meta.url))
  return compiled.memoryFlags()
}

/** What the installed packages must match: the lock file and the platform they were chosen for. */
function lockedPackages() {
  return [join(root, 'package-lock.json'), `${process.platform}-${process.arch}`]
}

/** What dist/ must match. */
function sources() {
  return [
    ...filesIn('src'),
    ...['tsconfig.json', 'tsconfig.build.json'].map((name) => join(root, name)),
  ]
}

/** What dist/page must match. */
function pageSources() {
  return [
    ...filesIn('web'),
    ...['page.ts', 'dashboard.ts'].map((name) => join(root, 'scripts', name)),
    join(root, 'package-lock.json'), // what of its packages it is made
  ]
}

function filesIn(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
}

/** A digest of files' contents, and of words as they are. */
function fingerprint(inputs) {
  const digest = createHash('sha256')
  for (const input of inputs) digest.update(existsSync(input) ? readFileSync(input) : input)
  return digest.digest('hex')
}

/**
 * Does `work` unless the stamp says that it was done for the same inputs. Once: a second starter
 * waits for the first instead of tearing its files away.
 */
async function prepare(stamp, inputs, work) {
  const lock = join(root, '.preparing')
  const deadline = Date.now() + PREPARE_TIMEOUT_MS
  const isDone = (wanted) => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted
  while (!isDone(fingerprint(inputs()))) {
    if (take(lock)) {
      process.on('exit', () => rmSync(lock, { force: true }))
      const wanted = fingerprint(inputs())
      if (!isDone(wanted)) work()
      writeFileSync(stamp, wanted)
      rmSync(lock, { force: true })
    } else {
      if (Date.now() > deadline) fail(`Another start is at work (${lock}); it took too long.`)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

/** Creates the lock file with this process's id; takes over that of a process that is gone. */
function take(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') fail(`Cannot write to ${root}: ${error.message}`)
  }
  try {
    const owner = Number(readFileSync(lock, 'utf8'))
    if (owner > 0) process.kill(owner, 0) // 0: only asks whether it exists
  } catch (error) {
    if (error.code === 'ESRCH') rmSync(lock, { force: true })
  }
  return false
}

function installLocked() {
  // Output goes to stderr: stdout belongs to the program.
  const options = { cwd: root, stdio: ['ignore', 2, 2] }
  // Not `npm ci`: it refuses a lock file that lacks the binaries of platforms which the registry at
  // hand does not carry. This installs what the lock file says, too, and with --no-save never writes it.
  // With dev, whatever NODE_ENV says: the compiler is one of them.
  const args = [
    'install',
    '--include=dev',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]
  const npm = process.env.npm_execpath // the npm that runs this script, if one does
  const done = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
  if (done.error) fail(`Cannot run npm (${done.error.message}); install Node.js with npm first.`)
  if (done.status !== 0) fail('npm install failed; its message stands above.')
}

function build(node) {
  const stale = existsSync(dist) ? readdirSync(dist).filter((name) => name !== 'page') : []
  for (const name of stale) rmSync(join(dist, name), { recursive: true })
  const tsc = join(modules, 'typescript', 'bin', 'tsc')
  run(node, [tsc, '-p', 'tsconfig.build.json'])
  chmodSync(join(dist, 'bin.js'), 0o755) // npx links to it, and does not look at it again
}

function buildPage(node) {
  run(node, [join(root, 'scripts', 'page.ts')])
}

function run(node, args) {
  const done = spawnSync(node, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (done.status !== 0) fail('The build failed; its message stands above.')
}

/** This Node if it is new enough, else the one among the optional packages. */
function suitableNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]))
    return process.execPath
  const bundled = join(modules, `node-${process.platform}-${process.arch}`, 'bin', 'node')
  if (existsSync(bundled)) return bundled
  return fail(
    `Tallymark needs Node.js >= ${NODE_MIN.join('.')}; this is ${process.version}, and no newer one comes as a package for ${process.platform}-${process.arch}. Install it from https://nodejs.org.`,
  )
}

function become(node, args) {
  const path = [dirname(node), join(modules, '.bin'), process.env.PATH].join(delimiter)
  const env = { ...process.env, PATH: path }
  // Node >= 22.15 on POSIX becomes the program: same process id, nothing in between.
  if (process.execve && process.platform !== 'win32') process.execve(node, [node, ...args], env)
  const child = spawn(node, args, { env, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  // npm or its shell killed with -9 takes this process's parent away without a signal.
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500).unref()
  child.on('error', (error) => fail(`Cannot run ${node}: ${error.message}`))
  child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code))
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
