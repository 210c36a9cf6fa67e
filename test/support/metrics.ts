import assert from 'node:assert/strict'
import { sendRaw } from './raw.ts'

/** The lines of /metrics: values by name and labels, as they are written. */
export type Lines = ReadonlyMap<string, number>

/** On a connection of its own, since tests count those that are open. */
export async function metricsOf(origin: string): Promise<Lines> {
  const head = 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  const { body } = await sendRaw(origin, head)
  const lines = body.split('\n').filter((line) => /^\w/.test(line))
  assert.ok(lines.length > 0, body)
  return new Map(
    lines.map((line) => {
      const blank = line.lastIndexOf(' ')
      return [line.slice('tallymark_'.length, blank), Number(line.slice(blank + 1))]
    }),
  )
}

/** The sum over all labels. */
export function sumOf(lines: Lines, name: string): number {
  return [...lines]
    .filter(([line]) => line === name || line.startsWith(`${name}{`))
    .reduce((sum, [, value]) => sum + value, 0)
}

/** Values by a label. */
export function byLabel(lines: Lines, name: string, label: string): Map<string, number> {
  const found = new Map<string, number>()
  for (const [line, value] of lines) {
    const [, each] = new RegExp(`^${name}\\{.*\\b${label}="([^"]*)"`).exec(line) ?? []
    if (each !== undefined) found.set(each, value)
  }
  return found
}

/** Received is accepted, refused or under way. */
export function underWayOf(lines: Lines): number {
  const [received, accepted, refused] = ['received', 'accepted', 'refused'].map((what) =>
    sumOf(lines, `clicks_${what}_total`),
  )
  return (received ?? 0) - (accepted ?? 0) - (refused ?? 0)
}
