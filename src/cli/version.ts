import { readFileSync } from 'node:fs'
import { parseArguments, type Command } from './command.ts'
import { print } from './print.ts'

export const version: Command = {
  name: 'version',
  summary: 'show the version',
  help: `Usage: tallymark version

Shows the version of this Tallymark.

Example:
  tallymark version
`,
  async run(args) {
    parseArguments(args, {})
    await print(`${ownVersion()}\n`)
    return 0
  },
}

export function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  // The package's own file.
  return (JSON.parse(text) as { version: string }).version
}
