// Writes the documents that are made from the code. `npm run docs`; test/docs.test.ts compares.
import { writeFileSync } from 'node:fs'
import { format } from 'prettier'
import { SETTINGS } from '../src/config.ts'
import { ERRORS, type ErrorKind } from '../src/errors.ts'
import { Metrics } from '../src/metrics.ts'

const NOTICE = '<!-- Made from the code by `npm run docs`. -->'

/** Path to text, as Prettier formats it. */
export async function generatedDocs(): Promise<Map<string, string>> {
  const pages = new Map([
    ['docs/errors.md', errorsPage()],
    ['docs/configuration.md', configurationPage()],
    ['docs/metrics.md', await metricsPage()],
  ])
  const formatted = new Map<string, string>()
  for (const [path, text] of pages) {
    const options = { parser: 'markdown', printWidth: 100, semi: false, singleQuote: true }
    formatted.set(path, await format(text, options))
  }
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
  "detail": "step must be minute, the only one of this version.",
  "errors": [{ "field": "step", "message": "must be minute, the only one of this version" }]
}
\`\`\`

\`code\` is from this table, and the table is closed: a program may switch over it. \`detail\` is for
people and may change. \`errors\` is there when fields are to blame. A 5xx carries \`requestId\`, which
finds it in the service's log; a 503 carries \`Retry-After\`.

| status | code | meaning |
|---|---|---|
${rows.join('\n')}
`
}

function configurationPage(): string {
  const rows = Object.entries<{ fallback: string | undefined; about: string }>(SETTINGS).map(
    ([name, { fallback, about }]) =>
      `| \`${name}\` | ${fallback === undefined ? 'unset' : `\`${fallback}\``} | ${about} |`,
  )
  return `# Configuration
${NOTICE}

Settings come from the environment and, below it, from \`.env\` in the working directory. An empty
variable is an unset one. All wrong values are reported at once, and the process exits with code 2
before it listens.

| variable | default | |
|---|---|---|
${rows.join('\n')}

Without \`DATABASE_URL\` and \`POSTGRES_HOST\` the store is embedded, in \`DATA_DIR\`. Settings that ask for
Kafka (\`KAFKA_BROKERS\`, \`KAFKA_BROKER\`, \`MINUTES_TICKER\`, another \`ROLE\` than \`all\` or
\`KAFKA_TOPIC\` than \`clicks\`) are refused: this version has no Kafka log, and another shape than the one
asked for would be a lie.
`
}

async function metricsPage(): Promise<string> {
  const described = await new Metrics().registry.getMetricsAsJSON()
  const rows = described
    .filter(({ name }) => !/^tallymark_(?:process|nodejs)_/.test(name))
    .map(({ name, type, help }) => `| \`${name}\` | ${String(type)} | ${help} |`)
  return `# Metrics
${NOTICE}

\`GET /metrics\`, in the text format of Prometheus. In each process
\`clicks_received = clicks_accepted + clicks_refused\`, but for those under way. Banners are never
labels, so the number of lines does not grow with them.

| metric | type | |
|---|---|---|
${rows.join('\n')}

Beside these, \`tallymark_process_*\` and \`tallymark_nodejs_*\` describe the process: CPU, memory,
event-loop delay, garbage collection.
`
}
