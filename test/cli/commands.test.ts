// What holds for every command: help, exit codes, and wrong arguments.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { parseArguments, UsageError } from '../../src/cli/command.ts'
import { COMMANDS } from '../../src/cli/commands.ts'
import { printable } from '../../src/cli/print.ts'
import { runCommand, temporaryFolder } from '../support/service.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

function assertFitsScreen(text: string): void {
  const lines = text.trimEnd().split('\n')
  assert.ok(lines.length <= 24, `${lines.length} lines:\n${text}`)
  for (const line of lines) assert.ok(line.length <= 80, line)
  assert.match(text, /^Example:\n {2}.*\btallymark\b/m)
}

test('O12: the help of every command fits a screen, and shows an example', async () => {
  using folder = temporaryFolder()
  assert.ok(COMMANDS.length >= 4)
  for (const { name, help } of COMMANDS) {
    assertFitsScreen(help)
    assert.ok(help.startsWith('Usage: tallymark '), help)
    assert.match(help, new RegExp(`\\b${name}\\b`))
  }
  const overview = await runCommand(folder.path, ['help'])
  assertFitsScreen(overview.stdout)
  for (const { name, summary } of COMMANDS) {
    assert.ok(overview.stdout.includes(`\n  ${name.padEnd(14)}${summary}\n`), overview.stdout)
  }
})

test('help is asked for in every way that people try', async () => {
  using folder = temporaryFolder()
  const printed = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await runCommand(folder.path, args)
    assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' }, args.join(' '))
    return stdout
  }
  const overview = await printed('help')
  assert.match(overview, /^Usage: tallymark \[command\]/m)
  assert.equal(await printed('--help'), overview)
  assert.equal(await printed('-h'), overview)
  const serve = await printed('help', 'serve')
  assert.match(serve, /^Usage: tallymark \[serve\]/)
  assert.equal(await printed('serve', '--help'), serve)
  assert.equal(await printed('serve', 'what', '-h'), serve)
  const version = await printed('version')
  assert.match(version, /^\d+\.\d+\.\d+\n$/)
  assert.equal(await printed('--version'), version)
})

test('O12: wrong arguments end with exit code 2 and a sentence that says where help is', async () => {
  using folder = temporaryFolder()
  for (const [args, sentence] of [
    [['count'], 'there is no command "count"; see tallymark help'],
    [['--port'], 'there is no command "--port"; see tallymark help'],
    [['help', 'count'], 'there is no command "count"; see tallymark help'],
    [['help', 'serve', 'now'], 'unexpected argument "now"; see tallymark help'],
    [['version', 'now'], 'unexpected argument "now"; see tallymark help version'],
    [['serve', '--port', '80'], "unknown option '--port'; see tallymark help serve"],
    [['serve', '--admin-token=Zx81'], "unknown option '--admin-token'; see tallymark help serve"],
    [['import'], 'import needs --original; see tallymark help import'],
    [
      ['import', '--original', '--original'],
      '--original is given twice; see tallymark help import',
    ],
  ] as const) {
    const ended = await runCommand(folder.path, args)
    assert.deepEqual(ended, { exitCode: 2, stdout: '', stderr: `tallymark: ${sentence}\n` })
  }
})

test('arguments are parsed strictly', () => {
  const options = { from: { type: 'string' }, json: { type: 'boolean' } } as const
  const parse = (...args: string[]) => parseArguments(args, options, ['banner'])
  const { values, operands } = parse('--from=0', '7', '--json')
  assert.deepEqual([{ ...values }, operands], [{ from: '0', json: true }, ['7']])
  assert.deepEqual(parse('--', '--json').operands, ['--json'])
  for (const [args, message] of [
    [[], 'banner is missing'],
    [['1', '2'], 'unexpected argument "2"'],
    [['1', '--from'], "option '--from <value>' argument missing"],
    [['1', '--from', '--json'], "option '--from' argument is ambiguous"],
    [['1', '--json=yes'], "option '--json' does not take an argument"],
    [['1', '--from', 'a', '--from=b'], '--from is given twice'],
    [['1', '-x'], "unknown option '-x'"],
  ] as const) {
    assert.throws(() => parse(...args), new UsageError(message))
  }
})

test('a reader that leaves is no failure', async () => {
  const child = spawn(process.execPath, [MAIN, 'help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  child.stderr.resume()
  await once(child, 'close')
  assert.equal(child.exitCode, 0)
})

test(
  'an output that cannot be written is a failure',
  { skip: process.platform !== 'linux' },
  async () => {
    const full = openSync('/dev/full', 'w')
    const child = spawn(process.execPath, [MAIN, 'help'], { stdio: ['ignore', full, 'pipe'] })
    closeSync(full)
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => void (said += chunk.toString()))
    await once(child, 'close')
    assert.equal(child.exitCode, 1)
    assert.match(said, /^tallymark: Cannot write the output: ENOSPC.*\.\n$/)
  },
)

test('what a terminal would obey is not printed', () => {
  assert.equal(printable('Añ\u{1f600} ß'), 'Añ\u{1f600} ß')
  assert.equal(printable('a\u{1b}[2Jb\u{9b}c\nd\u{202e}e'), 'a�[2Jb�c�d�e')
})
