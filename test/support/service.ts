import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'

const ROOT = new URL('../../', import.meta.url).pathname
const START_TIMEOUT_MS = 60_000

/** A folder that is removed with the test. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'tallymark-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

// Below those that systems give to outgoing connections, which would take a port between its being
// found and its being used; and none is handed out twice, as several services start at once.
const PORT_MIN = 15_000
const PORTS = 15_000
let portsTried = Math.floor(Math.random() * PORTS)

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS; tries += 1) {
    const port = PORT_MIN + (portsTried % PORTS)
    portsTried += 1
    if (await isFree(port)) return port
  }
  throw new Error(`no free port from ${PORT_MIN} to ${PORT_MIN + PORTS - 1}`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

/** The environment of a service under test: nothing of the tester's own settings. */
export function serviceEnvironment(settings: Record<string, string>): NodeJS.ProcessEnv {
  const { PATH, HOME, npm_execpath } = process.env
  return { PATH, HOME, npm_execpath, ...settings }
}

export interface Service extends AsyncDisposable {
  readonly origin: string
  readonly child: ChildProcess
  /** Everything that was printed so far, stdout and stderr. */
  output(): string
  /** kill -9 of npm, its shell and the service: nobody gets to clean up. */
  kill(): Promise<void>
  /** Sends a signal to npm alone, as a process manager does; resolves to the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export interface Ended {
  readonly exitCode: number | null
  readonly output: string
}

/** Runs the source with arguments, in `folder`, to its end. */
export async function runProgram(
  folder: string,
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<Ended> {
  const child = spawnProgram(folder, args, settings)
  const output = keepOutput(child)
  await once(child, 'close')
  return { exitCode: child.exitCode, output: output() }
}

/** The same, telling apart what it prints to stdout and to stderr. */
export async function runCommand(
  folder: string,
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<{
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}> {
  const child = spawnProgram(folder, args, settings)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return { exitCode: child.exitCode, stdout, stderr }
}

function spawnProgram(folder: string, args: readonly string[], settings: Record<string, string>) {
  return spawn(process.execPath, [join(ROOT, 'src/main.ts'), ...args], {
    cwd: folder,
    env: serviceEnvironment(settings),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: START_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
}

function keepOutput(child: ChildProcess): () => string {
  let printed = ''
  const keep = (chunk: Buffer): void => void (printed += chunk.toString())
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  return () => printed
}

/** This repository as `npm start` needs it, without the tester's `.env`. */
export function repositoryFolder(): ReturnType<typeof temporaryFolder> {
  const folder = temporaryFolder()
  for (const name of ['package.json', 'run.mjs', 'dist', 'banners.json']) {
    symlinkSync(join(ROOT, name), join(folder.path, name))
  }
  return folder
}

/**
 * Starts the service the way README says: `npm start`, in a process group of its own. `openFilesMax`
 * is what the system allows it.
 */
export async function startService(
  settings: Record<string, string>,
  openFilesMax?: number,
): Promise<Service> {
  const port = Number(settings['PORT'] ?? (await freePort()))
  const folder = repositoryFolder()
  const limit = openFilesMax === undefined ? '' : `ulimit -n ${openFilesMax}; `
  const child = spawn('sh', ['-c', `${limit}exec npm start --silent`], {
    cwd: folder.path,
    env: serviceEnvironment({ ...settings, PORT: String(port) }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  void once(child, 'exit').then(() => folder[Symbol.dispose]())
  return await servingChild(child, port)
}

/** The service of a child that leads a process group of its own, once it serves. */
export async function servingChild(child: ChildProcess, port: number): Promise<Service> {
  const output = keepOutput(child)
  const exited = once(child, 'exit')
  const service: Service = {
    origin: `http://127.0.0.1:${port}`,
    child,
    output,
    async kill() {
      if (child.exitCode === null && child.signalCode === null)
        process.kill(-Number(child.pid), 'SIGKILL')
      await exited
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      await exited
      return child.exitCode
    },
    [Symbol.asyncDispose]: () => service.kill(),
  }
  await untilServing(service, exited)
  return service
}

async function untilServing(service: Service, exited: Promise<unknown>): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  let isGone = false
  void exited.then(() => (isGone = true))
  while (performance.now() < deadline) {
    if (isGone) throw new Error(`the service ended at its start:\n${service.output()}`)
    const answer = await fetch(`${service.origin}/healthz`).catch(() => undefined)
    if (answer?.ok === true) return
    await pause(20)
  }
  await service.kill()
  throw new Error(`the service did not start:\n${service.output()}`)
}

/** The sum over all banners and all time, as a caller sees it. */
export async function totalOf(origin: string): Promise<number> {
  const answer = await fetch(`${origin}/stats?tsFrom=0&tsTo=2100-01-01T00:00:00Z`)
  const { total } = (await answer.json()) as { total: number } // GET /stats of the contract
  return total
}
