// Several processes on one Postgres, and everything that can be killed or stopped is, under load.
// CRASH_PROCESSES and CRASH_FAULTS make a longer run of it.
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createDatabase, mergedSums, runSql } from '../support/database.ts'
import { emptyResult, post, runLoad, type LoadResult } from '../support/load.ts'
import { startPostgres, type PostgresServer } from '../support/postgres.ts'
import { freePort, startService, totalOf, type Service } from '../support/service.ts'

const PROCESSES = Number(process.env['CRASH_PROCESSES'] ?? 2)
const FAULTS = Number(process.env['CRASH_FAULTS'] ?? 8)
const CONNECTIONS = 8
const ACK_TIMEOUT_MS = 1_000
const LOAD_MS_MIN = 200
const LOAD_MS_SPREAD = 600
const SETTLE_TIMEOUT_MS = 60_000

/** One process of the service: killed and started again on its port, while its callers go on. */
interface Process {
  readonly settings: Record<string, string>
  service: Service
}

interface Cluster {
  readonly postgres: PostgresServer
  readonly url: string
  readonly processes: readonly Process[]
}

type Fault = (cluster: Cluster, random: number) => Promise<void>

const FAULT_KINDS: Readonly<Record<string, Fault>> = {
  async 'kill -9 of a process'({ processes }, random) {
    const process = processes[Math.floor(random * processes.length)]
    assert.ok(process !== undefined)
    await process.service.kill()
    process.service = await startService(process.settings)
  },
  async 'kill -9 of Postgres'({ postgres }) {
    await postgres.kill()
    await postgres.start()
  },
  async 'backends terminated again and again'({ url }) {
    for (let round = 0; round < 20; round += 1) {
      await runSql(
        url,
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()`,
      )
      await pause(Math.random() * 40)
    }
  },
  async 'Postgres stopped beyond the ack timeout, and continued'({ postgres }) {
    postgres.freeze()
    await pause(ACK_TIMEOUT_MS * 1.5)
    postgres.thaw()
  },
}

test(`I1: ${PROCESSES} processes on Postgres: whatever is killed, nothing is lost or doubled`, async () => {
  await using postgres = await startPostgres({ isDurable: true })
  await using database = await createDatabase(postgres.url)
  const { url } = database
  const processes: Process[] = []
  await using closing = new AsyncDisposableStack()
  for (let index = 0; index < PROCESSES; index += 1) {
    const settings = {
      DATABASE_URL: url,
      PORT: String(await freePort()),
      ACK_TIMEOUT_MS: String(ACK_TIMEOUT_MS),
    }
    const process = { settings, service: await startService(settings) }
    processes.push(process)
    closing.defer(() => process.service.kill())
  }
  const callers = processes.map(({ settings }, index) => new Callers(settings['PORT'] ?? '', index))
  const kinds = Object.values(FAULT_KINDS)
  for (let fault = 0; fault < FAULTS; fault += 1) {
    await pause(LOAD_MS_MIN + Math.random() * LOAD_MS_SPREAD)
    await kinds[fault % kinds.length]?.({ postgres, url, processes }, Math.random())
  }
  await pause(LOAD_MS_MIN)
  const loads = await Promise.all(callers.map((each) => each.finish()))
  await untilSettled(processes)

  const keys = loads.reduce((sum, each) => sum + each.keys, 0)
  const unkeyed = (what: (result: LoadResult) => number) =>
    loads.reduce((sum, each) => sum + what(each.unkeyed), 0)
  const acknowledged = unkeyed((result) => result.acknowledged)
  const inDoubt = unkeyed((result) => result.unanswered + (result.refused.get(503) ?? 0))
  const [{ service } = { service: undefined }] = processes
  assert.ok(service !== undefined)
  const counted = await totalOf(service.origin)
  const bySql = async (where: string) => {
    const [row] = await runSql(
      url,
      `select coalesce(sum(count), 0)::int as sum from counts_by_minute where ${where}`,
    )
    return Number(row?.['sum'])
  }
  assert.ok(acknowledged > FAULTS * 100, `too little load: ${acknowledged}`)
  assert.ok(keys > FAULTS * 100, `too little load: ${keys} keys`)
  assert.ok(inDoubt > 0, 'no fault hit a request under way: the test shows nothing')
  assert.equal(await bySql('banner_id > 50'), keys, 'each key counts once')
  const unkeyedCounted = await bySql('banner_id <= 50')
  assert.equal(counted, keys + unkeyedCounted)
  assert.ok(unkeyedCounted >= acknowledged, `lost: ${acknowledged - unkeyedCounted}`)
  assert.ok(
    unkeyedCounted <= acknowledged + inDoubt,
    `doubled: ${unkeyedCounted - acknowledged - inDoubt}`,
  )
  for (const process of processes) {
    assert.equal(await process.service.stop(), 0, process.service.output())
  }
  assert.deepEqual(await mergedSums(url), [counted, counted, counted])
})

/** Clicks without keys on banners 1 to 50; clicks with keys, resent until acknowledged, on the others. */
class Callers {
  readonly unkeyed = emptyResult()
  readonly #keyed = emptyResult()
  readonly #origin: string
  readonly #name: number
  readonly #pending = new Set<string>()
  readonly #running: Promise<unknown>
  #keys = 0
  #resend: string[] = []
  #isOver = false

  constructor(port: string, name: number) {
    this.#origin = `http://127.0.0.1:${port}`
    this.#name = name
    const common = { origin: this.#origin, connections: CONNECTIONS }
    this.#running = Promise.all([
      runLoad({
        ...common,
        result: this.unkeyed,
        next: () =>
          this.#isOver ? undefined : { path: `/counter/${1 + (this.unkeyed.acknowledged % 50)}` },
      }),
      runLoad({
        ...common,
        result: this.#keyed,
        next: () => this.#nextKey(),
        onAcknowledged: (key) => void this.#pending.delete(key ?? ''),
      }),
    ])
  }

  #nextKey(): { path: string; key: string } | undefined {
    if (this.#isOver) return undefined
    // Every so often what is not acknowledged yet is sent again, perhaps while it is under way.
    if (this.#keys % 100 === 0) this.#resend = [...this.#pending]
    const key = this.#resend.pop() ?? `${this.#name}-${(this.#keys += 1)}`
    this.#pending.add(key)
    return { path: bannerOf(key), key }
  }

  /** Ends the load, and sends what has no acknowledgement until it has one. */
  async finish(): Promise<{ keys: number; unkeyed: LoadResult }> {
    this.#isOver = true
    await this.#running
    const agent = new Agent({ keepAlive: true })
    const deadline = performance.now() + SETTLE_TIMEOUT_MS
    for (const key of this.#pending) {
      while ((await post(`${this.#origin}${bannerOf(key)}`, agent, key)) !== 200) {
        assert.ok(performance.now() < deadline, `${key} is never acknowledged`)
        await pause(100)
      }
    }
    agent.destroy()
    return { keys: this.#keys, unkeyed: this.unkeyed }
  }
}

function bannerOf(key: string): string {
  return `/counter/${51 + (Number(key.split('-')[1]) % 50)}`
}

/** Batches in doubt are settled once nothing waits in any process. */
async function untilSettled(processes: readonly Process[]): Promise<void> {
  const deadline = performance.now() + SETTLE_TIMEOUT_MS
  for (const { service } of processes) {
    for (;;) {
      const metrics = await (await fetch(`${service.origin}/metrics`)).text()
      if (/^tallymark_clicks_waiting 0$/m.test(metrics)) break
      assert.ok(performance.now() < deadline, 'a batch is never settled')
      await pause(50)
    }
  }
}
