import { VERSION } from '../version.ts'
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
    await print(`${VERSION}\n`)
    return 0
  },
}
