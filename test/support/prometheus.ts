// A real Prometheus with our rules, which looks at its targets every second, and ends with its test.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort, temporaryFolder } from './service.ts'
import { toolPath } from './tools.ts'

/** Ours, as it is in production. */
export const RULES_FOLDER = new URL('../../deploy/prometheus/', import.meta.url).pathname
const START_TIMEOUT_MS = 60_000
const POLL_MS = 50

/** A process to look at; the names are those of labels. */
export interface Target {
  readonly origin: string
  readonly job: string
  readonly installation?: string
  /** Its READ_TOKEN. All targets of a job have the same. */
  readonly token?: string
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: number
}

interface Rule {
  readonly type: 'alerting' | 'recording'
  readonly name: string
  readonly query: string
  readonly health: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export interface Prometheus extends AsyncDisposable {
  /** What an expression is now; throws if Prometheus does not understand it. */
  query(expression: string): Promise<readonly Sample[]>
  rules(): Promise<readonly Rule[]>
}

/** The end of the pipe ends it, by our stopping or by kill -9 of the test. */
const GUARD = `
"$@" &
read -r _
kill -9 $!
wait
`

export async function startPrometheus(targets: readonly Target[]): Promise<Prometheus> {
  await using building = new AsyncDisposableStack()
  const { path: folder } = building.use(temporaryFolder())
  for (const file of globSync(`${RULES_FOLDER}*.yml`))
    copyFileSync(file, join(folder, basename(file)))
  const config = join(folder, 'prometheus.yml')
  writeFileSync(config, configFor(targets, folder))
  const port = await freePort()
  const program = [
    toolPath('prometheus'),
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ]
  const child = spawn('/bin/sh', ['-c', GUARD, 'guard', ...program], {
    cwd: folder,
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true,
  })
  building.defer(async () => {
    child.stdin.end()
    if (child.exitCode === null) await once(child, 'exit')
  })
  const origin = `http://127.0.0.1:${port}`
  await untilReady(origin, child)
  const built = building.move()
  return {
    async query(expression) {
      const body = new URLSearchParams({ query: expression })
      const { data } = await read<{ data: { result: readonly RawSample[] } }>(
        await fetch(`${origin}/api/v1/query`, { method: 'POST', body }),
        expression,
      )
      return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
    },
    async rules() {
      const { data } = await read<{ data: { groups: readonly { rules: readonly Rule[] }[] } }>(
        await fetch(`${origin}/api/v1/rules`),
        'the rules',
      )
      return data.groups.flatMap(({ rules }) => rules)
    },
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

/** An instant, and the value as text. */
interface RawSample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

async function read<T>(answer: Response, what: string): Promise<T> {
  const text = await answer.text()
  assert.equal(answer.status, 200, `${what}: ${text}`)
  return JSON.parse(text) as T // as the API of Prometheus says
}

/** Ours, but for what is looked at, and how often. */
function configFor(targets: readonly Target[], folder: string): string {
  const [ours = ''] = readFileSync(join(RULES_FOLDER, 'prometheus.yml'), 'utf8').split(
    /^scrape_configs:/m,
  )
  const jobs = Map.groupBy(targets, ({ job }) => job)
  const scrapes = Array.from(jobs, ([job, some]) => ({
    job_name: job,
    ...authorization(some[0]?.token, join(folder, `${job}-token`)),
    static_configs: some.map(({ origin, installation }) => ({
      targets: [new URL(origin).host],
      ...(installation !== undefined && { labels: { installation } }),
    })),
  }))
  // JSON is YAML.
  return `${ours.replaceAll(/(_interval:) \d+s/g, '$1 1s')}scrape_configs: ${JSON.stringify(scrapes)}\n`
}

function authorization(token: string | undefined, file: string) {
  if (token === undefined) return {}
  writeFileSync(file, `${token}\n`)
  return { authorization: { credentials_file: file } }
}

async function untilReady(origin: string, child: ChildProcess): Promise<void> {
  let complaints = ''
  child.stderr?.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
  const deadline = performance.now() + START_TIMEOUT_MS
  while (performance.now() < deadline) {
    const answer = await fetch(`${origin}/-/ready`).catch(() => undefined)
    if (answer?.ok === true) return
    if (/level=error|Error loading/i.test(complaints)) break
    await pause(POLL_MS)
  }
  throw new Error(`Prometheus did not start:\n${complaints}`)
}
