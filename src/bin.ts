#!/usr/bin/env node
// The executable of the installed package: a Node that is too old gets a sentence, the service a small
// heap. `npm start` begins at main.ts instead, because run.mjs has seen to both.
//
// Nothing is imported statically: imports are linked before the first line runs, and an old Node ends
// there, with a stack trace about node:sqlite.
const NODE_MIN = [24, 12] as const
const USAGE_EXIT_CODE = 2
const PARENT_INTERVAL_MS = 500

if (isTooOld()) {
  process.stderr.write(
    `Tallymark needs Node.js >= ${NODE_MIN.join('.')}; this is ${process.version}. ` +
      'Install a newer one from https://nodejs.org.\n',
  )
  process.exit(USAGE_EXIT_CODE)
}
const [command = 'serve'] = process.argv.slice(2)
if (command === 'serve') {
  await becomeSmall()
  if (process.env['npm_command'] === 'exec') stopWithParent()
}
await import('./main.ts')

function isTooOld(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])
}

/**
 * Starts Node anew, as the same process, with the flags of memory-flags.ts: a running one takes them
 * and keeps its large heap. That takes 35 ms, and leaves 137 MiB resident after load instead of 231. Does
 * nothing the second time, where somebody has chosen flags, and on Windows, which cannot do it.
 */
async function becomeSmall(): Promise<void> {
  const isChosen = process.execArgv.length > 0 || Boolean(process.env['NODE_OPTIONS'])
  if (isChosen || process.platform === 'win32') return
  const { memoryFlags } = await import('./memory-flags.ts')
  const { execPath, argv } = process
  process.execve?.(execPath, [execPath, ...memoryFlags(), ...argv.slice(1)])
}

/**
 * npx hands SIGTERM to a shell, which dies of it and tells nobody: without this the service would go
 * on alone, on its port.
 */
function stopWithParent(): void {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    process.kill(process.pid, 'SIGTERM')
  }, PARENT_INTERVAL_MS).unref()
}
