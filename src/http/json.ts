import type { IncomingMessage } from 'node:http'
import { AppError } from '../errors.ts'
import type { Fields } from '../fields.ts'
import { readBody } from './body.ts'
import { headerOf } from './header.ts'

/**
 * The JSON object that a change brings. Throws `body_too_large`, `unsupported_media_type` unless the
 * body says that it is JSON (a page of another origin cannot say so unasked), or `invalid_body`.
 */
export async function readObject(message: IncomingMessage): Promise<Fields> {
  const bytes = await readBody(message)
  if (!/^application\/json *(?:;|$)/i.test(headerOf(message, 'content-type') ?? '')) {
    throw new AppError(
      'unsupported_media_type',
      'Send JSON, with "Content-Type: application/json".',
    )
  }
  if (bytes.length === 0)
    throw new AppError('invalid_body', 'A change needs a JSON object as its body.')
  return parseObject(message, bytes)
}

/** The fields of a JSON object, whatever type the body names; {} where there is no body. */
export function parseObject(message: IncomingMessage, bytes: Buffer): Fields {
  const encoding = headerOf(message, 'content-encoding')
  if (encoding !== undefined && encoding !== 'identity') {
    throw new AppError('unsupported_media_type', 'Send the body without Content-Encoding.')
  }
  if (bytes.length === 0) return {}
  const value = parseJson(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AppError('invalid_body', 'The body must be a JSON object.')
  }
  return { ...value }
}

/** Throws `invalid_body`. */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new AppError('invalid_body', 'The body is not JSON in UTF-8.', { cause })
  }
}
