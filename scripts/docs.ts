// Writes the documents that are made from the code. `npm run docs`; test/docs.test.ts compares.
import { writeFileSync } from 'node:fs'
import { format } from 'prettier'
import { parseConfig } from '../src/config.ts'
import { ERRORS, OperatorError, type ErrorKind } from '../src/errors.ts'
import { METRIC_SECTIONS, Metrics } from '../src/metrics.ts'
import { openApiOf, routes, type RouteParts } from '../src/routes.ts'
import { fileNameOf, SECTIONS, SETTINGS, type Setting } from '../src/settings.ts'

const NOTICE = '<!-- Made from the code by `npm run docs`. -->'
const COMMENT_CHARACTERS = 98
const UNITS = ['seconds', 'bytes', 'clicks', 'records', 'requests', 'batches', 'banners']

/**
 * What compose.yaml needs in `.env`, under the names of the original service. Undefined: as in the
 * other sections. The password never leaves the network of the containers.
 */
const FOR_COMPOSE: Readonly<Record<string, string | undefined>> = {
  POSTGRES_HOST: 'postgres',
  POSTGRES_USER: 'tallymark',
  POSTGRES_PASSWORD: 'only-between-the-containers',
  POSTGRES_DB: 'tallymark',
  KAFKA_BROKER: 'kafka:9092',
  KAFKA_TOPIC: 'clicks',
  LOG_LEVEL: 'info',
  MINUTES_TICKER: undefined,
}

const POSTGRES_BY_URL = `## Postgres by URL

\`postgresql://user:password@host:port/database\`, or \`postgres://\`. What is left out is \`localhost\`, \`5432\`, the
user \`postgres\`, and a database that is called like the user. Special characters are percent-encoded. Behind a
\`?\` may stand, separated by \`&\`:

| parameter | |
|---|---|
| \`host\`, \`port\` | Instead of those before: \`postgresql:///clicks?host=/run/postgresql\` uses the folder of a socket |
| \`sslmode=disable\` | Without TLS, as without any of these |
| \`sslmode=verify-full\` | With TLS, and only if the certificate of the server is of a known signer and for this host. \`verify-ca\`, \`require\`, \`prefer\` and \`ssl=true\` mean the same: nothing weaker is taken in their place |
| \`sslmode=no-verify\` | With TLS, whoever the server is |
| \`sslrootcert\` | The path of a PEM file with the certificates of those who sign that of the server. Without it: those that Node.js knows |
| \`sslcert\`, \`sslkey\` | The paths of PEM files with the certificate by which the server knows this service, and its private key |

\`application_name\`, \`client_encoding\`, \`connect_timeout\` and \`target_session_attrs\`, which hosted databases put into
their URLs, change nothing. Any other parameter is refused, as it would have no effect. Nor have the variables \`PG*\` of the environment,
such as \`PGPASSWORD\`.
`

/** Path to text, as Prettier formats it. */
export async function generatedDocs(): Promise<Map<string, string>> {
  const pages = new Map([
    ['docs/errors.md', errorsPage()],
    ['docs/configuration.md', configurationPage()],
    ['docs/metrics.md', metricsPage()],
  ])
  // Only what the routes say of themselves is read; none of them runs.
  const parts = { metrics: new Metrics(), takesClicks: true } as RouteParts
  const openApi = JSON.stringify(await openApiOf(routes(parts)))
  const formatted = new Map([
    ['docs/openapi.json', await format(openApi, { parser: 'json', printWidth: 100 })],
  ])
  for (const [path, text] of pages) {
    const options = { parser: 'markdown', printWidth: 100, semi: false, singleQuote: true }
    formatted.set(path, await format(text, options))
  }
  formatted.set('.example.env', exampleEnv())
  return formatted
}

if (import.meta.main) {
  for (const [path, text] of await generatedDocs()) writeFileSync(path, text)
}

function errorsPage(): string {
  const rows = Object.entries<ErrorKind>(ERRORS).map(
    ([code, { status, about }]) => `| ${status} | \`${code}\` | ${about} |`,
  )
  return `# Errors
${NOTICE}

Every error is an \`application/problem+json\` document (RFC 9457):

\`\`\`json
{
  "type": "urn:tallymark:problem:invalid_parameter",
  "title": "Invalid parameter",
  "status": 400,
  "code": "invalid_parameter",
  "detail": "step must be one of minute, hour, day, week, month.",
  "errors": [{ "field": "step", "message": "must be one of minute, hour, day, week, month" }]
}
\`\`\`

\`code\` is from this table, and the table is closed: a program may switch over it. \`detail\` is for
people and may change. \`errors\` is there when fields are to blame. A 5xx carries \`requestId\`; that of a
500 finds it in the service's log, where the same failure is written once a second. A 503 carries
\`Retry-After\`.

| status | code | meaning |
|---|---|---|
${rows.join('\n')}
`
}

function configurationPage(): string {
  const tables = sections().map(({ title, settings }) => {
    const rows = settings.map(([name, setting]) => {
      const names = namesOf(name, setting).map((each) => `\`${each}\``)
      const { fallback } = setting
      const initial = fallback === undefined ? 'unset' : `\`${fallback}\``
      return `| ${names.join(' or ')} | ${initial} | ${setting.about} |`
    })
    return `### ${title}\n\n| variable | default | |\n|---|---|---|\n${rows.join('\n')}\n`
  })
  return `# Configuration
${NOTICE}

Tallymark starts without any configuration: it listens on \`http://127.0.0.1:8080\` and keeps its
database in \`./data\`. Whatever differs is an environment variable, or a line of the file \`.env\` in the
working directory:

\`\`\`sh
PORT=9000 DATA_DIR=/var/lib/tallymark npm start
\`\`\`

[.example.env](../.example.env) holds every setting, with its default and commented out but for those of its
first section: they are set for \`docker compose\` ([deployment.md](deployment.md)), so delete or comment them
where you start the service by \`npm start\`. Copy it to \`.env\` and uncomment what you change. Settings are read
once, at the start.

## Which value counts

1. That of the environment,
2. else that of \`.env\`,
3. else the default.

An empty variable is an unset one, so \`PORT= npm start\` takes the port of \`.env\`. The line that is logged
at the start names the store, and \`.env\` where a value of it counts:

\`\`\`
INFO  Tallymark 0.2.0 (Postgres at db:5432/clicks, values from /srv/tallymark/.env) listens on http://127.0.0.1:8080
\`\`\`

In \`.env\` a \`#\` begins a comment, so put a value that holds one into quotes:
\`POSTGRES_PASSWORD='sesame#1'\`. Variables in values are not replaced.

## Secrets from files

An environment is seen by more than the process that it is for. So each secret can be read from a file
instead, as Docker, Kubernetes and systemd provide them: add \`_FILE\` to its name, and give the path.

\`\`\`sh
DATABASE_URL_FILE=/run/secrets/database_url ADMIN_TOKEN_FILE=/run/secrets/admin_token npm start
\`\`\`

One newline at the end of the file is not part of the secret. The file is a regular one of at most 64 KiB
in UTF-8, and not empty. It is read once: a new secret takes effect with the next start. A secret and its
file together are a mistake, also if one of them stands in \`.env\`.

## Mistakes

All mistakes are reported at once, and the process exits with code 2 before it listens to
anything. The value of a secret is never shown.

\`\`\`
${sampleRefusal()}
\`\`\`

A name that is no setting, but looks like a typo of one, does not keep the service from starting. It is a
warning in the log:

\`\`\`
WARN  ${sampleWarning()}
\`\`\`

A name looks like a typo if it is one of ours but for capitals, if it is a character away from one, or
two from a long one, and if it lacks the unit or has another (\`ACK_TIMEOUT\`). The environment holds names of
other programs, too, so short ones such as \`HOSTS\` and \`PORTS\` are warned of in \`.env\` only.

So it is with a line of \`.env\` that is no \`NAME=value\`, or opens a quote that it does not close, and with the
\`_FILE\` of a setting that is no secret: none of them is read.

${POSTGRES_BY_URL}
## The log

It goes to stderr, a line an entry: one at the start, with address, store and version, and one at the
stop. A click writes nothing. The same warning or error is written at most once a second, and says how
many were left out: \`(12 more like it)\`. With \`LOG_FORMAT=json\` a line is an object with \`level\` (30 is
info, 40 warn, 50 error, 60 fatal), \`time\` and \`msg\`.

## Settings

Without \`DATABASE_URL\` and \`POSTGRES_HOST\` the store is embedded, in \`DATA_DIR\`. Without \`KAFKA_BROKERS\`
clicks go from the service to the store; with it they go through Kafka, and the store is Postgres. What
says how to get at Kafka is refused without it: another shape than the one asked for would be a lie.

${tables.join('\n')}`
}

/** A sample to be copied to .env. */
function exampleEnv(): string {
  const isForCompose = ([name]: NamedSetting): boolean => name in FOR_COMPOSE
  const all = sections().flatMap(({ settings }) => settings)
  const order = Object.keys(FOR_COMPOSE)
  const forCompose = all
    .filter(isForCompose)
    .toSorted(([one], [other]) => order.indexOf(one) - order.indexOf(other))
  const others = sections().map(({ title, settings }) => ({
    title,
    settings: settings.filter((each) => !isForCompose(each)),
  }))
  const blocks = others.flatMap(({ title, settings }) => [
    `# --- ${title} ---`,
    ...settings.map(exampleSetting),
  ])
  const head = [
    'Settings of Tallymark. Copy this file to `.env`, and change or uncomment what you need. An empty value is an unset one, and the environment goes before this file. A secret has a value or, by its `_FILE`, a file, not both. Put a value with a `#` into quotes. More in docs/configuration.md.',
    'Made from the code by `npm run docs`.',
  ]
  const compose = [
    '# --- For docker compose ---',
    commentLines(
      'What compose.yaml starts: Kafka and Postgres are other containers, by these names. For `npm start`, and for compose.lite.yaml, none of it is needed: delete or comment the lines of this section that are set. The password is for the network of the containers only; set another one before the first start.',
    ).join('\n'),
    ...forCompose.map(exampleSetting),
  ]
  const rest =
    'The rest is commented out, with its default: as it is, it changes nothing. In containers `HOST`, `ROLE` and `DATA_DIR` are set by compose.yaml, and `PORT` is the port of the machine.'
  const text = [...compose, commentLines(rest).join('\n'), ...blocks]
  return `${[...head.flatMap(commentLines), '', text.join('\n\n')].join('\n')}\n`
}

function exampleSetting([name, setting]: NamedSetting): string {
  const value = FOR_COMPOSE[name]
  const lines = namesOf(name, setting).map((each) =>
    each === name && value !== undefined
      ? `${each}=${value}`
      : `# ${each}=${setting.fallback ?? ''}`,
  )
  return [...commentLines(setting.about), ...lines].join('\n')
}

type NamedSetting = readonly [name: string, setting: Setting<unknown>]

function sections(): { title: string; settings: NamedSetting[] }[] {
  const titles: Readonly<Record<string, string>> = SECTIONS
  const found: { title: string; settings: NamedSetting[] }[] = []
  for (const entry of Object.entries<Setting<unknown>>(SETTINGS)) {
    const title = titles[entry[0]]
    if (title !== undefined) found.push({ title, settings: [] })
    found.at(-1)?.settings.push(entry)
  }
  return found
}

function namesOf(name: string, { isSecret }: Setting<unknown>): string[] {
  return isSecret === true ? [name, fileNameOf(name)] : [name]
}

function sampleRefusal(): string {
  try {
    parseConfig({ PORT: '80800', READ_TOKEN: 'sesame', POSTGRES_USER: 'me', POSTGRES_HSOT: 'db' })
  } catch (error) {
    if (error instanceof OperatorError) return `tallymark: ${error.message}`
    throw error
  }
  throw new Error('the sample is no mistake any more')
}

function sampleWarning(): string {
  const [warning] = parseConfig({ KEY_RETENTION_HOUR: '24' }).warnings
  if (warning === undefined) throw new Error('the sample is no typo any more')
  return warning
}

function commentLines(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`
    if (lines.length > 0 && longer.length <= COMMENT_CHARACTERS) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines.map((line) => `# ${line}`)
}

function metricsPage(): string {
  const { described } = new Metrics()
  const tables = METRIC_SECTIONS.map((title) => {
    const metrics = described.filter(({ section }) => section === title)
    const rows = metrics.map(({ name, type, labels, help }) => {
      const labelled = labels.map((label) => `\`${label}\``).join(', ')
      return `| \`${name}\` | ${type} | ${unitOf(name)} | ${labelled} | ${help} |`
    })
    return `## ${title}\n\n| metric | type | unit | labels | |\n|---|---|---|---|---|\n${rows.join('\n')}\n`
  })
  return `# Metrics
${NOTICE}

\`GET /metrics\`, in the text format of Prometheus; with \`READ_TOKEN\` it needs that token. Banners are
never labels, and of partitions there are lines of at most 200, so a page has fewer than 2,000 lines
whatever there is. A gauge whose value is not known, or that there is none of in this shape, has no line.

What adds up, of the metrics below (\`tallymark_\` left out):

- In each process, but for requests under way:
  \`clicks_received_total = clicks_accepted_total + clicks_refused_total\`, this over all codes.
- Without Kafka, in each process and at rest: \`clicks_accepted_total + clicks_late_total\` is
  \`clicks_counted_total + clicks_duplicate_total + clicks_unsettled_total\`.
- With Kafka, at rest: how far the positions have moved, \`sum(max by (partition) (partition_position))\`, is
  \`clicks_counted_total + clicks_duplicate_total + dead_letters_total\` over all processes that have
  counted.

The last holds exactly for records that Tallymark wrote, while no process was killed and no answer was lost. What a process counted
after the last scrape dies with it, and a commit that was left in doubt
(\`commits_total{outcome="in-doubt"}\`) may have moved a position without being in these numbers. The
positions are right all the same: they move with the counts, in one transaction.

Counters begin at 0 with each process.

${tables.join('\n')}
## The process

\`tallymark_process_*\` and \`tallymark_nodejs_*\` describe the process, as every program on Node with
[prom-client](https://github.com/siimon/prom-client) does. The most telling of them:

| metric | |
|---|---|
| \`tallymark_nodejs_eventloop_lag_p99_seconds\` | For how long the event loop did not come round, 99th percentile since the last scrape. Every answer waits for it |
| \`tallymark_nodejs_eventloop_lag_max_seconds\` | The longest of these |
| \`tallymark_process_cpu_seconds_total\` | More than 0.9 a second is a whole core: time for another process |
| \`tallymark_process_resident_memory_bytes\` | Memory of the process |
| \`tallymark_nodejs_heap_size_used_bytes\` | JavaScript objects in it |
| \`tallymark_process_open_fds\`, \`tallymark_process_max_fds\` | Open files, connections among them, and how many the system allows |
| \`tallymark_nodejs_gc_duration_seconds\` | Garbage collections, by kind |
`
}

/** By what its name says. */
function unitOf(name: string): string {
  const words = name.split('_')
  if (name.endsWith('_up') || name.endsWith('_info')) return '0 or 1'
  return words.findLast((word) => UNITS.includes(word)) ?? ''
}
