import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { format } from 'prettier'

const FILE = 'docs/benchmarks.md'
const HEAD = `# Benchmarks

Each section is written by the command that it names. A ratio of two things measured in one run says
more than a figure of either: machines differ, and are busy.
`

/** Puts a section into docs/benchmarks.md, in place of the one with its title or at the end. */
export async function writeSection(title: string, command: string, body: string): Promise<void> {
  const text = existsSync(FILE) ? readFileSync(FILE, 'utf8') : HEAD
  const [head = HEAD, ...sections] = text.split(/^(?=## )/m)
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Linux, Node ${process.version}`
  const date = new Date().toISOString().slice(0, 10)
  const section = `## ${title}\n\n\`${command}\`, ${date}: ${machine}, everything on one machine.\n\n${body.trim()}\n\n`
  const index = sections.findIndex((each) => each.startsWith(`## ${title}\n`))
  if (index === -1) sections.push(section)
  else sections[index] = section
  const page = [head.trim(), ...sections.map((each) => each.trim())].join('\n\n')
  writeFileSync(FILE, await format(page, { parser: 'markdown', printWidth: 100 }))
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** The value that a share of the sorted values does not exceed. */
export function quantile(sorted: Float64Array | readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** Progress, for whoever waits for a benchmark. */
export function say(what: string, value: unknown): void {
  process.stdout.write(`${what}: ${JSON.stringify(value)}\n`)
}
