// Serves what the build made for browsers: the dashboard and the page of the API.
import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { AppError } from '../errors.ts'
import type { Route } from './route.ts'

/** Made by scripts/page.ts; at the same place beside the sources and beside the built program. */
const PAGES = new URL('../../dist/page/', import.meta.url)
const NOT_BUILT =
  'The pages are not built: start the service with npm start, which builds them, or run node scripts/page.ts.'
const NO_SUCH_FILE = 'The page has no such file; after an upgrade, load it again.'

/** Whatever has another extension is not served. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

// Nothing from another host. The page of the API draws some of its icons from data URLs.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Larger ones are sent in pieces: a slow reader of the page of the API would hold 1.7 MB. */
const BYTES_AT_ONCE = 65_536

/** A file as it is stored. */
interface Stored {
  readonly url: URL
  readonly etag: string
}

interface PageFile {
  readonly contentType: string
  readonly plain: Stored
  readonly gzip: Stored | undefined
}

/** What browsers are told about keeping files. */
const CACHE_CONTROL = {
  /** They ask whether it is still the same, each time. */
  checked: 'no-cache',
  /** Its name says what is in it. */
  hashed: 'public, max-age=31536000, immutable',
} as const

/**
 * The files of one folder of dist/page. A handler serves the one that is named, or the one that the
 * path names. The folder is listed at the first request; what is not in that list does not exist,
 * so no path leads out of the folder.
 */
export function pageFolder(
  folder: string,
  caching: keyof typeof CACHE_CONTROL,
  pages = PAGES,
): (name?: string) => Route['handle'] {
  const url = new URL(`${folder}/`, pages)
  let listed: Promise<ReadonlyMap<string, PageFile>> | undefined
  return (name) => async (request, reply) => {
    try {
      const file = (await (listed ??= list(url))).get(name ?? fileOf(request))
      if (file !== undefined) return await send(request, reply, file, CACHE_CONTROL[caching])
    } catch (cause) {
      listed = undefined // built by the next request, maybe
      if (!isMissing(cause)) throw cause
      throw new AppError('not_found', NOT_BUILT, { cause })
    }
    throw new AppError('not_found', name === undefined ? NO_SUCH_FILE : NOT_BUILT)
  }
}

function fileOf(request: FastifyRequest): string {
  // Fastify types parameters per route; the table holds routes of all kinds.
  return (request.params as { file?: string }).file ?? ''
}

async function list(folder: URL): Promise<ReadonlyMap<string, PageFile>> {
  const names = (await readdir(folder)).filter((name) => extname(name) in CONTENT_TYPES)
  const files = new Map<string, PageFile>()
  // One after the other: the largest has 1.7 MB.
  for (const name of names) {
    const plain = await identify(new URL(name, folder))
    const gzip = await identify(new URL(`${name}.gz`, folder)).catch(absent)
    files.set(name, { contentType: CONTENT_TYPES[extname(name)] ?? '', plain, gzip })
  }
  return files
}

/** By its content: in a package all files of all versions have one time, and many one size. */
async function identify(url: URL): Promise<Stored> {
  return { url, etag: `"${hash('sha256', await readFile(url), 'base64url')}"` }
}

async function send(
  { method, headers }: FastifyRequest,
  reply: FastifyReply,
  { contentType, plain, gzip }: PageFile,
  cacheControl: string,
): Promise<FastifyReply> {
  const encoding = new Negotiator({ headers }).encoding(['gzip', 'identity'])
  const isGzip = gzip !== undefined && encoding === 'gzip'
  const { url, etag } = isGzip ? gzip : plain
  const isKept = isAmong(etag, headers['if-none-match'])
  const { size } = await stat(url)
  const body = isKept || method === 'HEAD' ? undefined : await bodyOf(url, size)
  void reply.headers({
    // All of them on a 304 too, whose headers replace those that a browser has kept.
    'content-security-policy': POLICY,
    'cache-control': cacheControl,
    etag,
    ...(gzip !== undefined && { vary: 'Accept-Encoding' }),
  })
  if (isKept) return reply.code(304).send()
  return reply
    .headers({
      'content-type': contentType,
      'content-length': size,
      ...(isGzip && { 'content-encoding': 'gzip' }),
    })
    .send(body)
}

async function bodyOf(url: URL, size: number) {
  return size > BYTES_AT_ONCE ? createReadStream(url) : await readFile(url)
}

/** `If-None-Match` compares weakly: a `W/` before a tag does not count. */
function isAmong(etag: string, given = ''): boolean {
  if (given.trim() === '*') return true
  return [...given.matchAll(/"[^"]*"/g)].some(([tag]) => tag === etag)
}

function absent(error: unknown): undefined {
  if (!isMissing(error)) throw error
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
