import { createInterface } from 'node:readline/promises'
import { UsageError } from './command.ts'
import { print } from './print.ts'

const CONSENT = 'yes'

/** Whether the person at the terminal wants what was printed. Where there is none, `--yes` must say so. */
export async function isConfirmed(isSaid: boolean | undefined): Promise<boolean> {
  if (isSaid === true) return true
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new UsageError('this is no terminal, so it cannot ask; add --yes to do it')
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  // Ctrl-D is no answer, and no promise of readline is settled by it.
  const { promise: left, resolve: leave } = Promise.withResolvers<string>()
  terminal.once('close', () => leave(''))
  const answer = await Promise.race([terminal.question(`Type ${CONSENT} to do it: `), left])
  terminal.close()
  const isWanted = answer.trim() === CONSENT
  if (!isWanted) await print('Nothing was changed.\n')
  return isWanted
}
