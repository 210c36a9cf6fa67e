import { readFileSync } from 'node:fs'

// The package's own file, which says so.
const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string }

export const VERSION = version
