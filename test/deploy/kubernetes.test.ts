// The manifests against the schemas of Kubernetes, and against each other: what no schema knows.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { parseConfig, type Config } from '../../src/config.ts'
import { temporaryFolder } from '../support/service.ts'
import { needs, toolPath } from '../support/tools.ts'
import { lastValue, pairs, readStages } from './dockerfile.ts'

const FOLDER = 'deploy/kubernetes'
const SECRETS = '/run/secrets/tallymark'
const ROLES = ['api', 'aggregator'] as const

type Labels = Readonly<Record<string, string>>

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}

interface Container {
  readonly name: string
  readonly image: string
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly envFrom: readonly { readonly configMapRef: { readonly name: string } }[]
  readonly resources: Readonly<Record<'requests' | 'limits', Labels>>
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly startupProbe: Probe
  readonly livenessProbe: Probe
  readonly readinessProbe: Probe
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } }
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
}

interface Pod {
  readonly enableServiceLinks: boolean
  readonly automountServiceAccountToken: boolean
  readonly terminationGracePeriodSeconds: number
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly topologySpreadConstraints: readonly { readonly labelSelector: { matchLabels: Labels } }[]
  readonly containers: readonly [Container]
  readonly volumes: readonly { readonly name: string; readonly secret: { secretName: string } }[]
}

/** Of every kind, what is looked at here; the schemas have seen to the rest. */
interface Manifest {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Labels
  }
  readonly spec: {
    readonly selector: Labels & { readonly matchLabels: Labels }
    readonly podSelector: { readonly matchLabels: Labels }
    readonly template: {
      readonly metadata: { labels: Labels }
      readonly spec: Pod
    }
    readonly ports: readonly { readonly targetPort: string }[]
    readonly scaleTargetRef: { readonly kind: string; readonly name: string }
    readonly minReplicas: number
    readonly replicas?: number
    readonly maxUnavailable: number
    readonly policyTypes: readonly string[]
    readonly ingress: readonly { readonly ports: readonly { readonly port: number }[] }[]
    readonly egress: readonly { readonly ports: readonly { readonly port: number }[] }[]
  }
}

interface Kustomization {
  readonly namespace: string
  readonly resources: readonly string[]
  readonly images: readonly { readonly name: string; readonly newTag: string }[]
  readonly configMapGenerator: readonly {
    readonly name: string
    readonly literals: readonly string[]
  }[]
}

const kustomization = parse(
  readFileSync(join(FOLDER, 'kustomization.yaml'), 'utf8'),
) as Kustomization // our own, as the manifests are
const manifests = kustomization.resources.flatMap((file) =>
  parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map(
    (each) => each.toJS() as Manifest,
  ),
)
const image = readStages('deploy/Dockerfile').at(-1) ?? assert.fail()
const [generated = assert.fail()] = kustomization.configMapGenerator

function find(kind: string, name: string): Manifest {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name)
  return found ?? assert.fail(`there is no ${kind} ${name}`)
}

function podOf(role: string): Pod {
  return find('Deployment', role).spec.template.spec
}

/** What the process of a role gets; its secrets lie in `folder` instead. */
function environmentOf(role: string, folder: string): Record<string, string> {
  const [{ env }] = podOf(role).containers
  const literals = generated.literals.map((each) => /^(\w+)=(.*)$/.exec(each)?.slice(1, 3) ?? [])
  const all = [...literals, ...env.map(({ name, value }) => [name, value])]
  const values = Object.fromEntries(all) as Record<string, string> // pairs of text
  const here = Object.entries(values).map(([name, value]) => [name, value.replace(SECRETS, folder)])
  return { ...pairs(image, 'ENV'), ...(Object.fromEntries(here) as Record<string, string>) }
}

/** As Kubernetes mounts a secret: links to files in a folder that is replaced as a whole. */
function mountSecret(folder: string, values: Labels): void {
  mkdirSync(join(folder, '..2026_11_24'))
  symlinkSync('..2026_11_24', join(folder, '..data'))
  for (const [name, value] of Object.entries(values)) {
    writeFileSync(join(folder, '..2026_11_24', name), value)
    symlinkSync(join('..data', name), join(folder, name))
  }
}

function configOf(role: string): Config {
  using folder = temporaryFolder()
  mountSecret(folder.path, {
    DATABASE_URL: 'postgresql://user:password@db:5432/clicks\n',
    ADMIN_TOKEN: 'sesame-sesame-sesame\n',
  })
  return parseConfig(environmentOf(role, folder.path))
}

test('the manifests are as Kubernetes wants them', needs('kubernetes-validate'), () => {
  const files = kustomization.resources.map((file) => join(FOLDER, file))
  const options = { encoding: 'utf8' } as const
  const done = spawnSync(toolPath('kubernetes-validate'), ['--strict', ...files], options)
  const said = `${done.stdout}${done.stderr}`
  assert.equal(done.status, 0, said)
  assert.equal([...said.matchAll(/ passed for resource /g)].length, manifests.length, said)
})

test('the kustomization has every file, and all are of its namespace', () => {
  const files = readdirSync(FOLDER).filter((file) => file !== 'kustomization.yaml')
  assert.deepEqual(kustomization.resources.toSorted(), files.toSorted())
  for (const { metadata } of manifests) assert.equal(metadata.namespace, undefined)
  assert.equal(find('Namespace', kustomization.namespace).metadata.name, 'tallymark')
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  assert.deepEqual(
    kustomization.images.map(({ name, newTag }) => [name, newTag]),
    [['tallymark', version]],
  )
})

test('what selects pods selects those of one role, and what names another thing names one that is there', () => {
  for (const role of ROLES) {
    const { spec } = find('Deployment', role)
    const { labels } = spec.template.metadata
    assert.equal(labels['app.kubernetes.io/component'], role)
    const selectors = [
      spec.selector.matchLabels,
      find('PodDisruptionBudget', role).spec.selector.matchLabels,
      ...spec.template.spec.topologySpreadConstraints.map(
        ({ labelSelector }) => labelSelector.matchLabels,
      ),
    ]
    for (const selector of selectors) assert.deepEqual(selector, labels)
    assert.equal(find('PodDisruptionBudget', role).spec.maxUnavailable, 1)
    const { containers, volumes } = podOf(role)
    const [{ image: name, envFrom, volumeMounts }] = containers
    assert.equal(name, kustomization.images[0]?.name)
    assert.deepEqual(envFrom, [{ configMapRef: { name: generated.name } }])
    assert.deepEqual(
      volumeMounts.map((mount) => mount.name),
      volumes.map((volume) => volume.name),
    )
    assert.equal(volumeMounts[0]?.mountPath, SECRETS)
    assert.equal(volumes[0]?.secret.secretName, 'tallymark')
  }
  const { spec } = find('Service', 'api')
  assert.deepEqual(spec.selector, find('Deployment', 'api').spec.template.metadata.labels)
  assert.equal(spec.ports[0]?.targetPort, podOf('api').containers[0].ports[0]?.name)
})

test('there are two of each role at least, and the number of apis is the autoscaler’s alone', () => {
  const { scaleTargetRef, minReplicas } = find('HorizontalPodAutoscaler', 'api').spec
  assert.deepEqual([scaleTargetRef.kind, scaleTargetRef.name], ['Deployment', 'api'])
  assert.ok(minReplicas >= 2)
  assert.equal(find('Deployment', 'api').spec.replicas, undefined)
  assert.equal(find('Deployment', 'aggregator').spec.replicas, 2)
  assert.ok(podOf('api').containers[0].resources.requests['cpu'], 'it scales by what they ask for')
})

test('the service takes the environment of each role, secrets from files among it', () => {
  for (const role of ROLES) {
    const config = configOf(role)
    assert.equal(config.clickLog.kind === 'kafka' && config.clickLog.role, role)
    assert.equal(config.clickLog.kind === 'kafka' && config.clickLog.replication, 3)
    assert.equal(
      config.store.kind === 'postgres' && config.store.label,
      'Postgres at db:5432/clicks',
    )
    assert.equal(config.tokens.admin, 'sesame-sesame-sesame')
    assert.equal(config.http.host, '0.0.0.0')
    assert.equal(config.http.port, podOf(role).containers[0].ports[0]?.containerPort)
    assert.deepEqual(config.warnings, [])
  }
})

test('a restart follows a process that hangs, and no Kafka or Postgres that is away', () => {
  for (const role of ROLES) {
    const { terminationGracePeriodSeconds, containers } = podOf(role)
    const [{ startupProbe, livenessProbe, readinessProbe, lifecycle }] = containers
    assert.equal(startupProbe.httpGet.path, '/healthz')
    assert.equal(livenessProbe.httpGet.path, '/healthz')
    assert.equal(readinessProbe.httpGet.path, '/readyz')
    for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe])
      assert.equal(httpGet.port, containers[0].ports[0]?.name)
    const pauseMs = (lifecycle?.preStop.sleep.seconds ?? 0) * 1_000
    assert.ok(terminationGracePeriodSeconds * 1_000 > pauseMs + configOf(role).shutdownTimeoutMs)
  }
})

test('pods are the user of the image, without privileges, tokens or settings of their neighbours', () => {
  const [uid, gid] = lastValue(image, 'USER').split(':').map(Number)
  for (const role of ROLES) {
    const pod = podOf(role)
    assert.equal(pod.enableServiceLinks, false)
    assert.equal(pod.automountServiceAccountToken, false)
    assert.deepEqual(pod.securityContext, {
      runAsNonRoot: true,
      runAsUser: uid,
      runAsGroup: gid,
      fsGroup: gid,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    const [{ securityContext, resources }] = pod.containers
    assert.deepEqual(securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    assert.deepEqual(Object.keys(resources.limits), ['cpu', 'memory'])
  }
})

test('pods are reached by HTTP, and reach names, Postgres and Kafka', () => {
  const { podSelector, policyTypes, ingress, egress } = find('NetworkPolicy', 'tallymark').spec
  const ports = (rules: typeof ingress) =>
    rules.flatMap((rule) => rule.ports.map(({ port }) => port))
  for (const role of ROLES) {
    const { labels } = find('Deployment', role).spec.template.metadata
    for (const [name, value] of Object.entries(podSelector.matchLabels))
      assert.equal(labels[name], value)
  }
  assert.deepEqual(policyTypes, ['Ingress', 'Egress'])
  assert.deepEqual(ports(ingress), [8080])
  const { clickLog } = configOf('api')
  const [broker] = clickLog.kind === 'kafka' ? clickLog.connection.brokers : []
  assert.deepEqual(ports(egress), [53, 53, 5432, broker?.port])
})

test('no secret is in the manifests', () => {
  assert.ok(!manifests.some(({ kind }) => kind === 'Secret'))
  const secrets = generated.literals.filter((each) => /(?:TOKEN|PASSWORD|DATABASE_URL)=/.test(each))
  assert.deepEqual(secrets, [])
})

interface ScrapeFile {
  readonly scrape_configs: readonly {
    readonly job_name: string
    readonly kubernetes_sd_configs: readonly unknown[]
  }[]
}

/** What a Prometheus in the cluster is told of a pod. */
function discovered(role: string, pod: string, changes: Labels = {}): Labels {
  const labels = Object.entries(find('Deployment', role).spec.template.metadata.labels)
  const [{ ports }] = podOf(role).containers
  return {
    ...Object.fromEntries(
      labels.map(([name, value]) => [
        `__meta_kubernetes_pod_label_${name.replaceAll(/\W/g, '_')}`,
        value,
      ]),
    ),
    __meta_kubernetes_namespace: kustomization.namespace,
    __meta_kubernetes_pod_container_port_name: ports[0]?.name ?? '',
    __meta_kubernetes_pod_name: pod,
    __meta_kubernetes_pod_phase: 'Running',
    ...changes,
  }
}

test(
  'a Prometheus in the cluster looks at the pods under the names that rules and dashboard want',
  needs('promtool'),
  () => {
    const { scrape_configs } = parse(
      readFileSync('deploy/prometheus/kubernetes.yml', 'utf8'),
    ) as ScrapeFile // ours
    const [{ kubernetes_sd_configs: places, ...scrape } = assert.fail(), ...more] = scrape_configs
    assert.deepEqual(more, [])
    assert.deepEqual(places, [{ role: 'pod', namespaces: { names: [kustomization.namespace] } }])
    using folder = temporaryFolder()
    const pods = [
      discovered('api', 'api-7c9'),
      discovered('aggregator', 'aggregator-5d8'),
      discovered('api', 'done', { __meta_kubernetes_pod_phase: 'Succeeded' }),
      discovered('api', 'other', { __meta_kubernetes_pod_label_app_kubernetes_io_name: 'other' }),
    ]
    // Debian's promtool was built without Kubernetes.
    const static_configs = pods.map((labels, index) => ({
      targets: [`10.0.0.${index}:8080`],
      labels,
    }))
    const file = join(folder.path, 'prometheus.yml')
    writeFileSync(file, JSON.stringify({ scrape_configs: [{ ...scrape, static_configs }] }))
    const args = ['check', 'service-discovery', '--timeout=1s', file, scrape.job_name]
    const { status, stdout, stderr } = spawnSync(toolPath('promtool'), args, { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    const found = JSON.parse(stdout.slice(stdout.indexOf('['))) as readonly {
      readonly labels: Labels // promtool's
    }[]
    const targets = found.flatMap(
      ({ labels: { job, instance, installation, __address__: address } }) =>
        job === undefined ? [] : [`${address} ${job} ${instance} ${installation}`],
    )
    assert.deepEqual(targets.toSorted(), [
      '10.0.0.0:8080 tallymark-api api-7c9 tallymark',
      '10.0.0.1:8080 tallymark-aggregator aggregator-5d8 tallymark',
    ])
  },
)
