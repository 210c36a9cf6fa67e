import type { IncomingMessage } from 'node:http'
import { AppError } from '../errors.ts'

/** The most that is read of any body. */
const BODY_BYTES_MAX = 16 * 1024

const EMPTY = Buffer.alloc(0)

/** Whether the request announces a body. Most clicks have none, and then nothing is waited for. */
export function hasBody(message: IncomingMessage): boolean {
  const length = message.headers['content-length']
  if (length !== undefined) return length !== '0'
  return message.headers['transfer-encoding'] !== undefined
}

/**
 * Reads a body of up to 16 KiB, whatever its type. Throws `body_too_large`; what is left of such a
 * body is thrown away by Node after the answer, within the time limit of a request.
 */
export async function readBody(message: IncomingMessage): Promise<Buffer> {
  if (!hasBody(message)) return EMPTY
  if (Number(message.headers['content-length']) > BODY_BYTES_MAX) throw tooLarge()
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    message.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= BODY_BYTES_MAX) chunks.push(chunk)
      else reject(tooLarge())
    })
    message.on('end', () => resolve(Buffer.concat(chunks)))
    message.on('error', (cause) => reject(incomplete(cause)))
    message.on('close', () => {
      if (!message.readableEnded) reject(incomplete(undefined))
    })
  })
}

/**
 * Waits until a body that nobody wants to see is there. Throws as `readBody` does. Most arrive in
 * one packet with their headers, and are left alone: Node throws away what was not read.
 */
export async function skipBody(message: IncomingMessage): Promise<void> {
  const length = Number(message.headers['content-length'])
  if (length > BODY_BYTES_MAX) throw tooLarge()
  await Promise.resolve() // the parser comes to the body when it has called the handler
  const isHere = message.readableLength >= length // never, where no length is given
  if (!isHere) await readBody(message)
}

function tooLarge(): AppError {
  return new AppError('body_too_large', `The body has more than ${BODY_BYTES_MAX} bytes.`)
}

function incomplete(cause: unknown): AppError {
  return new AppError('bad_request', 'The connection ended before the body did.', { cause })
}
