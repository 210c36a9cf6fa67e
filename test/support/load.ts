import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

/** Nobody listens: the service is being started again. */
const NOBODY_PAUSE_MS = 20

export interface LoadResult {
  /** Answered 200. */
  acknowledged: number
  /** Sent, and then the connection broke: counted or not, nobody knows. */
  unanswered: number
  /** Other answers by status. */
  readonly refused: Map<number, number>
}

export interface LoadOptions {
  readonly origin: string
  readonly connections: number
  readonly result: LoadResult
  /** Path, and the key that makes a resend safe. */
  readonly next: () => { readonly path: string; readonly key?: string } | undefined
  readonly onAcknowledged?: (key: string | undefined) => void
}

export function emptyResult(): LoadResult {
  return { acknowledged: 0, unanswered: 0, refused: new Map() }
}

/** Sends what `next` gives, each connection one request after the other, until it gives undefined. */
export async function runLoad(options: LoadOptions): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections })
  try {
    await Promise.all(Array.from({ length: options.connections }, () => sendAll(options, agent)))
  } finally {
    agent.destroy()
  }
}

async function sendAll(options: LoadOptions, agent: Agent): Promise<void> {
  const { origin, next, result, onAcknowledged } = options
  for (let click = next(); click !== undefined; click = next()) {
    const outcome = await post(`${origin}${click.path}`, agent, click.key)
    if (outcome === 200) {
      result.acknowledged += 1
      onAcknowledged?.(click.key)
    } else if (outcome === 'unanswered') result.unanswered += 1
    else if (outcome === 'not sent') await pause(NOBODY_PAUSE_MS)
    else {
      result.refused.set(outcome, (result.refused.get(outcome) ?? 0) + 1)
    }
  }
}

/** The status, or how far a request without an answer came. */
export function post(
  url: string,
  agent: Agent,
  key?: string,
): Promise<number | 'unanswered' | 'not sent'> {
  return new Promise((resolve) => {
    const headers = key === undefined ? {} : { 'idempotency-key': key }
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume()
      // The status line is the acknowledgement; a body cut off after it changes nothing.
      resolve(answer.statusCode ?? 0)
    })
    sent.on('error', (error) => {
      const isRefused = 'code' in error && error.code === 'ECONNREFUSED'
      resolve(isRefused ? 'not sent' : 'unanswered')
    })
    sent.end()
  })
}
