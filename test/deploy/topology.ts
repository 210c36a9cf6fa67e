// What compose.yaml starts, as plain processes: the environment of each is made of that file and of
// .example.env, and names of containers become ports of this machine. Nothing else is changed.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { runSql } from '../support/database.ts'
import { findKafka } from '../support/kafka-binaries.ts'
import { guardNode } from '../support/kafka-node.ts'
import { statusOf, until } from '../support/kafka-app.ts'
import { startPostgres } from '../support/postgres.ts'
import { freePort, startService, temporaryFolder, type Service } from '../support/service.ts'
import { toolPath } from '../support/tools.ts'
import { environmentOf, exampleValues, isOurs, readCompose } from './compose-file.ts'
import { pairs, readStages } from './dockerfile.ts'

const CONFIG = 'deploy/gateway/nginx.conf'
const TOOL_TIMEOUT_MS = 60_000

const run = promisify(execFile)

const values = exampleValues()
const { services } = readCompose('compose.yaml', values)

/** What the processes of a service get in their container. */
function containerEnvironment(name: string): Record<string, string> {
  const service = services[name]
  if (service === undefined) throw new Error(`compose.yaml has no ${name}`)
  const image = isOurs(service) ? readStages('deploy/Dockerfile').at(-1) : undefined
  return { ...(image && pairs(image, 'ENV')), ...environmentOf(service, values) }
}

/** With every occurrence replaced, each of which must be there. */
function replaced(from: string, places: Readonly<Record<string, string>>): string {
  return Object.entries(places).reduce((result, [there, here]) => {
    if (!result.includes(there)) throw new Error(`there is no ${there} in ${from}`)
    return result.replaceAll(there, here)
  }, from)
}

interface Replica extends AsyncDisposable {
  readonly origin: string
  /** kill -9, and a new start on the same port, as Docker does it. */
  crash(): Promise<void>
}

export interface Topology extends AsyncDisposable {
  readonly gateway: string
  readonly apis: readonly Replica[]
  readonly aggregators: readonly Replica[]
  /** Of the user that owns the database, with its password. */
  readonly databaseUrl: string
}

export async function startTopology(replicas: number): Promise<Topology> {
  await using building = new AsyncDisposableStack()
  const [databaseUrl, brokers] = await Promise.all([composedPostgres(building), kafka(building)])
  const starts = (role: string) =>
    Promise.all(
      Array.from({ length: replicas }, async () => {
        const replica = await startReplica(role, databaseUrl, brokers)
        return building.use(replica)
      }),
    )
  const [apis, aggregators] = await Promise.all([starts('api'), starts('aggregator')])
  for (const { origin } of [...apis, ...aggregators]) {
    await until(`${origin} is ready`, async () => (await statusOf(`${origin}/readyz`)) === 200)
  }
  const gateway = building.use(await startGateway(apis.map(({ origin }) => new URL(origin).host)))
  const built = building.move()
  return {
    gateway: gateway.origin,
    apis,
    aggregators,
    databaseUrl,
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

/** A server with the user, the password and the database that the image makes, and as strict as that. */
async function composedPostgres(resources: AsyncDisposableStack): Promise<string> {
  const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = containerEnvironment('postgres')
  const { url: server } = resources.use(await startPostgres({ isDurable: true }))
  await runSql(server, `create role ${POSTGRES_USER} login password '${POSTGRES_PASSWORD}'`)
  await runSql(server, `create database ${POSTGRES_DB} owner ${POSTGRES_USER}`)
  const [file] = await runSql(server, 'show hba_file')
  const rule = 'host all all all scram-sha-256'
  await runSql(server, `copy (select '${rule}') to '${String(file?.['hba_file'])}'`)
  await runSql(server, 'select pg_reload_conf()')
  const url = new URL(server)
  Object.assign(url, { username: POSTGRES_USER, password: POSTGRES_PASSWORD })
  url.pathname = POSTGRES_DB ?? ''
  return url.href
}

/** A broker whose configuration is made by the program that makes it in the image. */
async function kafka(resources: AsyncDisposableStack): Promise<string> {
  const environment = containerEnvironment('kafka')
  const { java, classPath } = await findKafka()
  const heap = (environment['KAFKA_HEAP_OPTS'] ?? '').split(' ')
  const ports = { broker: await freePort(), controller: await freePort() }
  const node = await guardNode(tmpdir(), (home) => [
    java,
    ...heap,
    '-XX:-UsePerfData',
    `-Djava.io.tmpdir=${home}`,
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info', // says when it serves
    '-cp',
    classPath,
    'kafka.Kafka',
    'final/server.properties',
  ])
  resources.use(node)
  const here = JSON.parse(
    replaced(JSON.stringify(environment), {
      'BROKER://:9092': `BROKER://127.0.0.1:${ports.broker}`,
      'BROKER://kafka:9092': `BROKER://127.0.0.1:${ports.broker}`,
      'localhost:9093': `127.0.0.1:${ports.controller}`,
      '/var/lib/kafka/data': join(node.home, 'data'),
    }),
  ) as Record<string, string> // as it was
  const folders = ['default', 'mounted', 'final'].map((name) => join(node.home, name))
  for (const folder of folders) mkdirSync(folder)
  const [defaults = '', mounted = '', final = ''] = folders
  const options = [
    `--default-configs-dir=${defaults}`,
    `--mounted-configs-dir=${mounted}`,
    `--final-configs-dir=${final}`,
  ]
  const wrapper = ['-cp', classPath, 'kafka.docker.KafkaDockerWrapper', 'setup', ...options]
  const env = { PATH: process.env['PATH'], CLUSTER_ID: '5L6g3nShT-eMCtK--X86sw', ...here }
  await run(java, ['-Xmx64m', ...wrapper], { env, timeout: TOOL_TIMEOUT_MS })
  await node.start()
  return `127.0.0.1:${ports.broker}`
}

async function startReplica(role: string, databaseUrl: string, brokers: string): Promise<Replica> {
  const { hostname, port: databasePort } = new URL(databaseUrl)
  const environment = containerEnvironment(role)
  const settings = {
    ...environment,
    POSTGRES_HOST: replaced(environment['POSTGRES_HOST'] ?? '', { postgres: hostname }),
    POSTGRES_PORT: databasePort,
    KAFKA_BROKER: replaced(environment['KAFKA_BROKER'] ?? '', { 'kafka:9092': brokers }),
    PORT: String(await freePort()),
  }
  let service: Service = await startService(settings)
  return {
    origin: service.origin,
    async crash() {
      await service.kill()
      service = await startService(settings)
    },
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  }
}

export interface Gateway extends AsyncDisposable {
  readonly origin: string
  /** What it has written to its standard output. */
  output(): string
}

/** nginx with the gateway's configuration, before these `host:port`. */
export async function startGateway(apis: readonly string[]): Promise<Gateway> {
  await using building = new AsyncDisposableStack()
  const folder = building.use(temporaryFolder())
  chmodSync(folder.path, 0o755) // its workers are another user
  const port = await freePort()
  const servers = apis.map((api) => `server ${api}`)
  const config = replaced(readFileSync(CONFIG, 'utf8'), {
    'listen 8080;': `listen 127.0.0.1:${port};`,
    'resolver 127.0.0.11 valid=2s ipv6=off;': '', // and `resolve` is of nginx 1.27
    'server api:8080 resolve max_fails=1 fail_timeout=2s;': servers
      .map((server) => `${server} max_fails=1 fail_timeout=2s;`)
      .join(' '),
  })
  const file = join(folder.path, 'nginx.conf')
  writeFileSync(file, config)
  const args = ['-p', folder.path, '-e', 'stderr', '-c', file, '-g', 'daemon off;']
  // It opens /dev/stdout by its path, which a file can be and what Node makes for a child cannot.
  const written = join(folder.path, 'stdout')
  const stdout = openSync(written, 'w')
  const child = spawn(toolPath('nginx'), args, { stdio: ['ignore', stdout, 'pipe'] })
  closeSync(stdout)
  const said = child.stderr === null ? '' : text(child.stderr)
  const ended = once(child, 'exit')
  building.defer(async () => {
    child.kill('SIGTERM')
    await ended
  })
  const origin = `http://127.0.0.1:${port}`
  await until('the gateway listens', async () => {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${await said}`)
    return await statusOf(`${origin}/healthz`).then(
      () => true,
      () => false,
    )
  })
  const built = building.move()
  return {
    origin,
    output: () => readFileSync(written, 'utf8'),
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}
