import { migrateStore } from '../open-store.ts'
import { readCommandConfig } from './command-config.ts'
import { parseArguments, type Command } from './command.ts'
import { print } from './print.ts'

export const migrate: Command = {
  name: 'migrate',
  summary: "bring the database's schema up to date, as a start does",
  help: `Usage: tallymark migrate

Applies what the database lacks of this version's schema, and says what it did.
A start of the service does the same; this does it without serving, for instance
as a step of its own before an upgrade. A database that does not exist yet is
made. The embedded one must not be in use: stop the service first.

Example:
  DATABASE_URL=postgresql://localhost/clicks tallymark migrate
`,
  async run(args) {
    parseArguments(args, {})
    const { version, applied } = await migrateStore(readCommandConfig().store)
    const what = applied.map((name) => `Applied ${name}.\n`).join('')
    await print(`${what}The schema is up to date (${version}).\n`)
    return 0
  },
}
