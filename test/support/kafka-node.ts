// One node of a Kafka for tests, with data of its own, that outlives nobody:
//
//   test ──pipe──▶ guard (/bin/sh) ──▶ java, broker and controller in one
//
// The guard starts a broker for each line it reads. When the pipe ends, by our disposing or by
// kill -9 of the test, it kills the broker and removes the folder.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { halt, runningProcesses, signal } from './processes.ts'

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 30_000
const KILL_TIMEOUT_MS = 10_000
const POLL_MS = 20
const RETRY_MS = 100
const ERROR_CHARACTERS = 4_000

/** What Kafka logs once it is registered, leads its partitions and answers. */
const SERVES = 'Kafka Server started'

export interface KafkaNode {
  /** kill -9, as a crash does; resolves when it is gone. */
  kill(): Promise<void>
  /** As an operator stops it: what it leads goes to others first. Resolves when it is gone. */
  stop(): Promise<void>
  /** Starts again on the same port and data, after `kill` or `stop`; resolves when it serves. */
  start(): Promise<void>
  /** Stops it in its tracks; connections stay open, and hang. */
  freeze(): void
  /** Lets it go on. */
  thaw(): void
}

/**
 * The folder is the guard's to make and to remove, so that a kill at any moment leaves none. Then it
 * leaves our pipe for a log, which cannot make Kafka wait for a test that is too busy to read.
 *
 * KILL, since the data go with it, and since it ends a frozen broker too.
 */
const GUARD = `
home=$1
shift
exec 2>&1
mkdir -m 700 "$home" && cd "$home" || exit
exec >log 2>&1
while read -r _; do
  wait
  "$@" &
  broker=$!
  echo "$broker" >pid
done
[ -n "$broker" ] && kill -s KILL "$broker"
wait
cd / && rm -rf "$home"
`

/** `folder` is where it makes its home; `commandOf` says how to start a broker in that home. */
export async function guardNode(
  folder: string,
  commandOf: (home: string) => readonly string[],
): Promise<GuardedNode> {
  const home = join(folder, `tallymark-kafka-${randomUUID()}`)
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', home, ...commandOf(home)], {
    cwd: '/',
    // In English, since we read what it prints.
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['pipe', 'pipe', 'ignore'],
    // Ctrl-C in a terminal reaches whole process groups; the tests are to close first.
    detached: true,
  })
  const [complaint] = await Promise.all([text(guard.stdout), once(guard, 'spawn')])
  if (complaint !== '') throw new Error(`no folder for Kafka: ${complaint}`)
  return new GuardedNode(guard, home)
}

export class GuardedNode implements KafkaNode, AsyncDisposable {
  readonly home: string
  readonly #guard: ChildProcess
  readonly #ended: Promise<unknown>
  #hasServed = false
  #broker: number | undefined

  constructor(guard: ChildProcess, home: string) {
    this.home = home
    this.#guard = guard
    this.#ended = once(guard, 'exit')
  }

  async start(): Promise<void> {
    if (this.#isRunning()) throw new Error('Kafka runs: kill it before a new start')
    const deadline = performance.now() + START_TIMEOUT_MS
    for (;;) {
      const logged = this.#read('log').length
      if (await this.#serves(logged, deadline)) {
        this.#hasServed = true
        this.#guard.unref()
        return
      }
      const log = this.#read('log')
      // While it was gone, someone else may have got the port of a short connection.
      const isInTheWay = this.#hasServed && isPortTaken(log.slice(logged))
      if (!isInTheWay || performance.now() > deadline)
        throw new Error(`Kafka did not start:\n${log.slice(-ERROR_CHARACTERS)}`)
      await pause(RETRY_MS)
    }
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL', KILL_TIMEOUT_MS)
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM', STOP_TIMEOUT_MS)
  }

  freeze(): void {
    if (this.#isRunning()) halt(this.#pids())
  }

  thaw(): void {
    signal(this.#pids(), 'SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#guard.ref()
    this.#guard.stdin?.end()
    const timeout = setTimeout(
      () => process.kill(-Number(this.#guard.pid), 'SIGKILL'),
      STOP_TIMEOUT_MS,
    )
    await this.#ended
    clearTimeout(timeout)
    rmSync(this.home, { recursive: true, force: true })
  }

  async #end(name: NodeJS.Signals, timeoutMs: number): Promise<void> {
    signal(this.#pids(), name)
    const deadline = performance.now() + timeoutMs
    while (this.#isRunning()) {
      if (performance.now() > deadline)
        throw new Error(`Kafka ignores ${name}:\n${this.#read('log').slice(-ERROR_CHARACTERS)}`)
      await pause(POLL_MS)
    }
    this.#broker = undefined
  }

  /** Has the guard start Kafka; false when that ended, or time is up. */
  async #serves(logged: number, deadline: number): Promise<boolean> {
    rmSync(join(this.home, 'pid'), { force: true })
    this.#guard.stdin?.write('\n')
    while (performance.now() < deadline && this.#guard.exitCode === null) {
      await pause(POLL_MS)
      const pid = this.#read('pid')
      if (!pid.endsWith('\n')) continue
      this.#broker = Number(pid)
      if (this.#read('log').includes(SERVES, logged)) return true
      if (!this.#isRunning()) return false
    }
    return false
  }

  #read(file: string): string {
    try {
      return readFileSync(join(this.home, file), 'utf8')
    } catch {
      return '' // it comes later
    }
  }

  #pids(): number[] {
    return this.#broker === undefined ? [] : [this.#broker]
  }

  #isRunning(): boolean {
    return runningProcesses().some(({ pid }) => pid === this.#broker)
  }
}

export function isPortTaken(message: string): boolean {
  // The second: a port was free twice, and given twice.
  return /address already in use|two listeners on the same port/i.test(message)
}
