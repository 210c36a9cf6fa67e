import { readFile } from 'node:fs/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Made by scripts/page.ts; at the same place beside the sources and beside the built program. */
const FOLDER = new URL('../../dist/page/docs/', import.meta.url)

const CONTENT_TYPES = {
  'index.html': 'text/html; charset=utf-8',
  'docs.js': 'text/javascript; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
} as const
type File = keyof typeof CONTENT_TYPES

/** What the page is made of, besides itself. */
export const DOCS_FILES = [
  'docs.js',
  'swagger-ui-bundle.js',
  'swagger-ui.css',
] as const satisfies readonly File[]

// Nothing from another host. The page draws some of its icons from data URLs.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** `/openapi.json`; made once. */
export function descriptionOf(describe: () => Promise<object>) {
  let text: Promise<string> | undefined
  return async (_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    text ??= describe().then((document) => JSON.stringify(document))
    return reply
      .header('content-type', 'application/json; charset=utf-8')
      .header('cache-control', 'no-cache')
      .send(await text)
  }
}

/** `/docs`, a page that shows the description, to try it: `index.html`; and its other files. */
export function docsFile(file: File) {
  return async (_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    reply
      .headers({
        'content-type': CONTENT_TYPES[file],
        'content-security-policy': POLICY,
        'cache-control': 'no-cache',
      })
      .send(await readFile(new URL(file, FOLDER)))
}

/** `/`, until there is a page of its own. */
export async function toDocs(_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return reply.code(302).header('location', 'docs').send()
}
