// Where a Kafka for tests comes from: Maven fetches it once, into a folder that all tests share.
import { execFile, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const KAFKA = '4.3.1'
const MAVEN = 'mvn'
const JAVA_MIN = 17
/** Counts up when the folder's contents change, so that no test meets an older one's. */
const LAYOUT = 2
const FETCH_TIMEOUT_MS = 300_000
const TOOL_TIMEOUT_MS = 60_000
/** The certificate's time would run out in a cache that is never emptied. */
const CERTIFICATE_DAYS = 36_500
const MISSING =
  'install a JRE of version 17 or later and Maven (Debian: apt-get install ' +
  'default-jre-headless maven), or name a running broker with KAFKA_BROKERS_TEST'

/** Whom a secured Kafka lets in, and the password of its key. */
export const KAFKA_USER = 'tallymark'
export const KAFKA_PASSWORD = 'only-for-tests'

export interface KafkaBinaries {
  readonly java: string
  readonly javaVersion: string
  /** The folder with all of the following, which tests share. */
  readonly folder: string
  readonly classPath: string
  /** What a new broker's metadata begin with, users among it. It saves each broker a format step, which takes 1 s. */
  readonly checkpoint: string
  /** Key and certificate of a secured broker, and the certificate alone, which vouches for itself. */
  readonly keys: string
  readonly ca: string
}

const KEYS = 'broker.p12'
const CA = 'broker.pem'

const run = promisify(execFile)

/** Why Kafka cannot be started here, and what to install. */
export function kafkaMissing(): string | undefined {
  if (findJava() === undefined) return MISSING
  if (existsSync(cacheFolder())) return undefined
  return spawnSync(MAVEN, ['-version']).error === undefined ? undefined : MISSING
}

/** Fetches what is not there yet. The first of several that do so at once wins. */
export async function findKafka(): Promise<KafkaBinaries> {
  const found = findJava()
  if (found === undefined) throw new Error(MISSING)
  const folder = cacheFolder()
  if (!existsSync(folder)) await fetchKafka(found.java, folder)
  return {
    ...found,
    folder,
    classPath: classPathOf(folder),
    checkpoint: join(folder, 'data', 'bootstrap.checkpoint'),
    keys: join(folder, KEYS),
    ca: join(folder, CA),
  }
}

function cacheFolder(): string {
  const { XDG_CACHE_HOME: given = '' } = process.env
  const caches = given === '' ? join(homedir(), '.cache') : given
  return join(caches, `tallymark-kafka-${KAFKA}-${LAYOUT}`)
}

function classPathOf(folder: string): string {
  return join(folder, 'lib', '*')
}

function findJava(): { java: string; javaVersion: string } | undefined {
  const { JAVA_HOME: home = '' } = process.env
  const candidates = home === '' ? ['java'] : [join(home, 'bin', 'java'), 'java']
  for (const java of candidates) {
    // It answers on its standard error, perhaps with a line about options before.
    const { stderr } = spawnSync(java, ['-version'], { encoding: 'utf8' })
    const version = /version "([^"]+)"/.exec(stderr ?? '')?.[1]
    if (version !== undefined && Number.parseInt(version, 10) >= JAVA_MIN)
      return { java, javaVersion: version }
  }
  return undefined
}

/** Renamed when complete, so that a kill in the middle leaves nothing that looks whole. */
async function fetchKafka(java: string, folder: string): Promise<void> {
  const unfinished = `${folder}.${randomUUID()}`
  mkdirSync(unfinished, { recursive: true })
  try {
    writeFileSync(join(unfinished, 'pom.xml'), POM)
    await runTool(MAVEN, MAVEN_ARGUMENTS, unfinished, FETCH_TIMEOUT_MS)
    writeFileSync(join(unfinished, 'format.properties'), FORMAT_PROPERTIES)
    await runTool(java, ['-cp', classPathOf(unfinished), ...FORMAT_ARGUMENTS], unfinished)
    await makeKeys(join(dirname(java), 'keytool'), unfinished)
    renameSync(unfinished, folder)
  } catch (error) {
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

/** By what comes with Java; openssl may be missing. Here, since it takes a second. */
async function makeKeys(keytool: string, folder: string): Promise<void> {
  const common = ['-alias', 'broker', '-keystore', KEYS, '-storepass', KAFKA_PASSWORD]
  const make = ['-genkeypair', ...common, '-storetype', 'PKCS12', '-dname', 'CN=Kafka for tests']
  const key = ['-keyalg', 'EC', '-groupname', 'secp256r1', '-validity', String(CERTIFICATE_DAYS)]
  const names = ['-ext', 'san=ip:127.0.0.1,dns:localhost', '-ext', 'bc:critical=ca:true']
  await runTool(keytool, [...make, ...key, ...names], folder)
  await runTool(keytool, ['-exportcert', '-rfc', ...common, '-file', CA], folder)
}

async function runTool(
  command: string,
  args: readonly string[],
  cwd: string,
  timeout = TOOL_TIMEOUT_MS,
): Promise<void> {
  try {
    await run(command, args, { cwd, timeout, killSignal: 'SIGKILL', maxBuffer: 1 << 24 })
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string } // of execFile
    const said = `${stdout}${stderr}`.slice(-4_000)
    throw new Error(`no Kafka for tests: ${command} failed:\n${said}`, { cause: error })
  }
}

// slf4j-simple, since Kafka logs nothing without a back end, not even why it ends.
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tallymark</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${KAFKA}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`

const MAVEN_ARGUMENTS = [
  '--quiet',
  '--batch-mode',
  'dependency:copy-dependencies',
  '-DoutputDirectory=lib',
  '-DincludeScope=runtime',
]

// The ports do not matter: the checkpoint has none of them.
const FORMAT_PROPERTIES = `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093
log.dirs=data
`

const FORMAT_ARGUMENTS = [
  'kafka.tools.StorageTool',
  'format',
  '--cluster-id=AAAAAAAAAAAAAAAAAAAAAA',
  '--config=format.properties',
  ...['SCRAM-SHA-256', 'SCRAM-SHA-512'].map(
    (mechanism) => `--add-scram=${mechanism}=[name=${KAFKA_USER},password=${KAFKA_PASSWORD}]`,
  ),
]
