// Tables of requests that are refused.
import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import type { TestApp } from './app.ts'
import { totalOf } from './service.ts'

export interface Refused {
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: string | Buffer
  readonly status: number
  readonly code: string
}

/** node:http, because fetch can send neither a body with GET nor a header twice. */
function send(origin: string, refused: Omit<Refused, 'status' | 'code'>) {
  const { method = 'POST', path, headers = {}, body } = refused
  return new Promise<{ status: number; type: string; retry: boolean; text: string }>(
    (resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
      const url = new URL(origin)
      const sent = httpRequest(
        { host: url.hostname, port: url.port, method, path, headers: { ...length, ...headers } },
        (answer) => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk: Buffer) => chunks.push(chunk))
          answer.on('end', () =>
            resolve({
              status: answer.statusCode ?? 0,
              type: answer.headers['content-type'] ?? '',
              retry: answer.headers['retry-after'] !== undefined,
              text: Buffer.concat(chunks).toString(),
            }),
          )
        },
      )
      sent.on('error', reject)
      sent.end(body)
    },
  )
}

export const WRONG_IDS = (
  'abc 0 -1 1.5 1e3 +5 007 2147483648 %20 1%00 0x10 1,000 null 42%0A 4%202 %F0%9F%98%80 ' +
  `%D9%A3 ${'9'.repeat(300)}`
).split(' ')

/** More than a body may have. */
export const BIG = 'x'.repeat(16 * 1024 + 1)

/** Each is answered with a problem document of its status and code, and nothing is counted. */
export async function checkRefused(app: TestApp, table: readonly Refused[]): Promise<void> {
  await app.counted()
  const total = await totalOf(app.origin)
  for (const refused of table) {
    const answer = await send(app.origin, refused)
    const what = `${refused.method ?? 'POST'} ${refused.path.slice(0, 80)} ${String(refused.body ?? '').slice(0, 80)}`
    assert.equal(answer.status, refused.status, `${what}: ${answer.text}`)
    assert.match(answer.type, /^application\/problem\+json/, what)
    const problem = JSON.parse(answer.text) as Record<string, unknown>
    assert.equal(problem['code'], refused.code, what)
    assert.equal(problem['status'], refused.status, what)
    assert.ok(problem['type'] !== undefined && problem['title'] !== undefined, what)
    assert.ok(String(problem['detail']).length > 10, what)
  }
  await app.counted()
  assert.equal(await totalOf(app.origin), total)
}
