// A real Postgres for tests, with data of its own, that outlives nobody:
//
//   test ──pipe──▶ guard (/bin/sh) ──▶ postmaster ──▶ backends, each a session of its own
//
// The guard starts a postmaster for each port it reads. When the pipe ends, by our stopping or by
// kill -9 of the test, it stops the postmaster and removes the folder.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { findPostgres, postgresUser } from './postgres-binaries.ts'
import { halt, runningProcesses, signal } from './processes.ts'
import { freePort } from './service.ts'

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 30_000
const KILL_TIMEOUT_MS = 10_000
const POLL_MS = 10
const RETRY_MS = 100
const ERROR_CHARACTERS = 4_000

export interface PostgresServer extends AsyncDisposable {
  /** `postgresql://postgres@127.0.0.1:PORT/postgres` */
  readonly url: string
  /** kill -9 of the postmaster and all it started, as a crash does; resolves when all are gone. */
  kill(): Promise<void>
  /** Starts again on the same port and data, after `kill`; waits for what is still in the way. */
  start(): Promise<void>
  /** Stops the postmaster and all it started in their tracks; connections stay open, and hang. */
  freeze(): void
  /** Lets them go on. */
  thaw(): void
}

/**
 * A server on a free port; it keeps no process from ending. One that is not durable is faster, and
 * loses its last commits when killed.
 */
export async function startPostgres(options: {
  isDurable: boolean
  /** A tar file of `pg_basebackup` that it begins with, readable by everybody. */
  backup?: string
}): Promise<PostgresServer> {
  const home = join(tmpdir(), `tallymark-postgres-${randomUUID()}`)
  const user = postgresUser()
  const binaries = findPostgres(home, user)
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', home, binaries.bin, ...settings(options)], {
    ...user,
    cwd: '/',
    // In English, since we read what it prints.
    env: {
      ...process.env,
      LC_ALL: 'C',
      TZ: 'UTC',
      ...binaries.environment,
      BACKUP: options.backup,
    },
    stdio: ['pipe', 'pipe', 'ignore'],
    // Ctrl-C in a terminal reaches whole process groups; the tests are to close first.
    detached: true,
  })
  const [complaint] = await Promise.all([text(guard.stdout), once(guard, 'spawn')])
  if (complaint !== '') throw new Error(`no folder for Postgres: ${complaint}`)
  await using resources = new AsyncDisposableStack()
  const server = resources.use(new GuardedPostgres(guard, home))
  binaries.complete()
  await server.start()
  guard.unref()
  resources.move()
  return server
}

/**
 * The folder is the guard's to make and to remove, so that a kill at any moment leaves none. Then it
 * leaves our pipe for a log, which cannot make Postgres wait for a test that is too busy to read.
 *
 * TERM, since a shell starts its background commands deaf to QUIT, and Postgres hears it only some
 * milliseconds later; QUIT, since TERM alone waits for clients; CONT, should it be frozen. A server
 * that was killed leaves its System V segment, whose id is the last word of line 7.
 */
const GUARD = `
home=$1 bin=$2
shift 2
exec 2>&1
mkdir -m 700 "$home" && cd "$home" || exit
exec >log 2>&1
while read -r port; do
  [ -d data ] || [ -z "$BACKUP" ] || { mkdir -m 700 data && tar -xf "$BACKUP" -C data; }
  [ -d data ] ||
    "$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C --no-sync </dev/null >/dev/null
  wait
  "$bin/postgres" -D data -p "$port" "$@" &
  postmaster=$!
  echo "$postmaster" >pid
done
for signal in TERM QUIT CONT; do
  [ -n "$postmaster" ] && kill -s "$signal" "$postmaster"
done
wait
[ -f data/postmaster.pid ] && ipcrm -m "$(sed -n '7s/.* //p' data/postmaster.pid)"
cd / && rm -rf "$home"
`

function settings({ isDurable }: { isDurable: boolean }): string[] {
  const durability = isDurable ? 'on' : 'off'
  return Object.entries({
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '', // the temporary folder's path may be too long for one
    max_connections: '200',
    shared_buffers: '64MB',
    dynamic_shared_memory_type: 'mmap', // in the data folder; the default leaves files when killed
    logging_collector: 'off', // some systems turn it on
    fsync: durability,
    synchronous_commit: durability,
    full_page_writes: durability,
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

class GuardedPostgres implements PostgresServer {
  readonly #guard: ChildProcess
  readonly #home: string
  readonly #ended: Promise<unknown>
  #port: number | undefined
  #postmaster: number | undefined

  constructor(guard: ChildProcess, home: string) {
    this.#guard = guard
    this.#home = home
    this.#ended = once(guard, 'exit')
  }

  get url(): string {
    return `postgresql://postgres@127.0.0.1:${this.#port}/postgres`
  }

  async start(): Promise<void> {
    if (this.#family().length > 0) throw new Error('Postgres runs: kill it before a new start')
    const deadline = performance.now() + START_TIMEOUT_MS
    for (;;) {
      const port = this.#port ?? (await freePort())
      const logged = this.#read('log').length
      if (await this.#serves(port, deadline)) {
        this.#port = port
        return
      }
      const log = this.#read('log')
      const isInTheWay = /in use|lock file/i.test(log.slice(logged))
      if (!isInTheWay || performance.now() > deadline)
        throw new Error(`Postgres did not start:\n${log.slice(-ERROR_CHARACTERS)}`)
      await pause(RETRY_MS)
    }
  }

  async kill(): Promise<void> {
    this.freeze() // so that none is started after we looked
    const pids = this.#family()
    signal(pids, 'SIGKILL')
    const deadline = performance.now() + KILL_TIMEOUT_MS
    while (runningProcesses().some(({ pid }) => pids.includes(pid))) {
      if (performance.now() > deadline) throw new Error(`kill -9 of ${pids.join(', ')} is ignored`)
      await pause(POLL_MS)
    }
    this.#postmaster = undefined
  }

  freeze(): void {
    halt(this.#family().filter((pid) => pid === this.#postmaster))
    halt(this.#family())
  }

  thaw(): void {
    signal(this.#family(), 'SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw()
    this.#guard.ref()
    this.#guard.stdin?.end()
    const timeout = setTimeout(
      () => process.kill(-Number(this.#guard.pid), 'SIGKILL'),
      STOP_TIMEOUT_MS,
    )
    await this.#ended
    clearTimeout(timeout)
    rmSync(this.#home, { recursive: true, force: true })
  }

  /** Has the guard start Postgres; false when that ended, or time is up. */
  async #serves(port: number, deadline: number): Promise<boolean> {
    rmSync(join(this.#home, 'pid'), { force: true })
    this.#guard.stdin?.write(`${port}\n`)
    while (performance.now() < deadline && this.#guard.exitCode === null) {
      await pause(POLL_MS)
      const pid = this.#read('pid')
      if (!pid.endsWith('\n')) continue
      this.#postmaster = Number(pid)
      if (this.#family().length === 0) return false
      // As pg_ctl does it. A killed predecessor leaves this file, hence the look at the first line.
      const [first, , , , , , , status] = this.#read('data/postmaster.pid').split('\n')
      if (Number(first) === this.#postmaster && status?.trim() === 'ready') return true
    }
    return false
  }

  #read(file: string): string {
    try {
      return readFileSync(join(this.#home, file), 'utf8')
    } catch {
      return '' // it comes later
    }
  }

  /** The postmaster and its children, without those that ended. */
  #family(): number[] {
    return runningProcesses()
      .filter(({ pid, parent }) => pid === this.#postmaster || parent === this.#postmaster)
      .map(({ pid }) => pid)
  }
}
