// Makes the pages that the service serves: dist/page. run.mjs calls it when their sources change.
import {
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { DASHBOARD } from './dashboard.ts'

const PAGE = new URL('../dist/page/', import.meta.url)
const DOCS = new URL('docs/', PAGE)
const SWAGGER_UI = new URL('../node_modules/@fastify/swagger-ui/static/', import.meta.url)

rmSync(PAGE, { recursive: true, force: true })
mkdirSync(DOCS, { recursive: true })
cpSync(new URL('../web/docs/', import.meta.url), DOCS, { recursive: true })
// Its files alone: the plugin would bring routes of its own, and packages to every installation.
for (const file of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
  copyFileSync(new URL(file, SWAGGER_UI), new URL(file, DOCS))
}

await build({ ...DASHBOARD, logLevel: 'warn' })

// Once, at the best level, so that the service has nothing to compress and nothing to keep.
for (const file of globSync('**/*.{css,html,js,svg}', { cwd: PAGE })) {
  const url = new URL(file, PAGE)
  writeFileSync(new URL(`${file}.gz`, PAGE), gzipSync(readFileSync(url), { level: 9 }))
}
