import { backUpStore } from '../open-store.ts'
import { readCommandConfig } from './command-config.ts'
import { parseArguments, type Command } from './command.ts'
import { countOf } from './count-of.ts'
import { print } from './print.ts'

const MIB = 1024 * 1024

export const backup: Command = {
  name: 'backup',
  summary: 'write the embedded database to a file, while it is in use',
  help: `Usage: tallymark backup <file>

Writes what the embedded database has at this instant to a new file, while the
service goes on counting. Every click that was acknowledged before is in it. To
restore it, put it into an empty folder as tallymark.sqlite, and start the
service with that folder as DATA_DIR. Postgres has its own tools:
docs/operations.md names them.

Example:
  DATA_DIR=/var/lib/tallymark tallymark backup /backups/2026-11-24.sqlite
`,
  async run(args) {
    const { operands } = parseArguments(args, {}, ['<file>'])
    const [file = ''] = operands
    const { bytes, clicks } = await backUpStore(readCommandConfig().store, file)
    await print(`Wrote ${file}: ${(bytes / MIB).toFixed(1)} MiB, ${countOf(clicks, 'click')}.\n`)
    return 0
  },
}
