// Does what a Dockerfile says as far as that goes without a container engine: each stage is a folder
// instead of a root file system, COPY honours .dockerignore, RUN runs with this machine's programs.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

const RUN_TIMEOUT_MS = 300_000

interface Instruction {
  readonly name: string
  readonly value: string
}

export interface Stage {
  readonly image: string
  readonly name: string | undefined
  readonly instructions: readonly Instruction[]
}

export function readStages(path: string): Stage[] {
  const lines = readFileSync(path, 'utf8').replaceAll(/^\s*#.*\n/gm, '')
  const all = lines.replaceAll(/\\\n\s*/g, '').split('\n')
  const stages: { image: string; name: string | undefined; instructions: Instruction[] }[] = []
  for (const line of all.filter((each) => each.trim() !== '')) {
    const [, name = '', value = ''] = /^(\w+)\s+(.*)$/.exec(line.trim()) ?? []
    const [, image = '', alias] = /^(\S+)(?: AS (\S+))?$/.exec(value) ?? []
    if (name === 'FROM') stages.push({ image, name: alias, instructions: [] })
    else stages.at(-1)?.instructions.push({ name, value })
  }
  return stages
}

/** What the image says of how it runs: the last of each instruction counts. */
export function lastValue({ instructions }: Stage, name: string): string {
  const found = instructions.findLast((each) => each.name === name)
  if (found === undefined) throw new Error(`the stage has no ${name}`)
  return found.value
}

/** Of `ENV A=1 B=2` or `LABEL a="1"`. */
export function pairs(stage: Stage, name: string): Record<string, string> {
  const found = [...lastValue(stage, name).matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)]
  return Object.fromEntries(found.map(([, key = '', quoted, bare = '']) => [key, quoted ?? bare]))
}

/** The words of a command in exec form. */
export function execForm(value: string): string[] {
  return JSON.parse(value.slice(value.indexOf('['))) as string[] // or it would be a shell's
}

/**
 * Makes the stages in folders of `into`, named by `folderOf`. `replace` may stand in for a RUN; what
 * it returns is run instead.
 */
export function buildStages(
  stages: readonly Stage[],
  options: {
    readonly context: string
    readonly into: string
    readonly replace?: (command: string, stage: Stage, folder: string) => string
  },
): void {
  const isSent = contextFilter(options.context)
  for (const stage of stages) {
    const root = folderOf(options.into, stage)
    let work = root
    mkdirSync(root, { recursive: true })
    for (const { name, value } of stage.instructions) {
      if (name === 'WORKDIR') {
        work = join(root, value)
        mkdirSync(work, { recursive: true })
      }
      if (name === 'COPY') copy(value, { ...options, work, isSent })
      if (name === 'RUN') run(options.replace?.(value, stage, work) ?? value, root, work)
    }
  }
}

export function folderOf(into: string, { name = 'image' }: Stage): string {
  return join(into, name)
}

interface CopyPlace {
  readonly context: string
  readonly into: string
  readonly work: string
  readonly isSent: (path: string) => boolean
}

function copy(value: string, { context, into, work, isSent }: CopyPlace): void {
  const words = value.split(/\s+/)
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length)
  const paths = words.filter((word) => !word.startsWith('--'))
  const target = join(work, paths.at(-1) ?? '')
  const sources = paths.slice(0, -1)
  const isFolder = sources.length > 1 || paths.at(-1)?.endsWith('/') === true
  for (const source of sources) {
    const path = from === undefined ? join(context, source) : join(into, from, source)
    if (from === undefined && !isSent(source)) throw new Error(`.dockerignore keeps back ${source}`)
    // A folder's contents are copied, a file is copied under its name.
    const place = isFolder && statSync(path).isFile() ? join(target, basename(source)) : target
    const filter = (each: string): boolean =>
      from !== undefined || statSync(each).isDirectory() || isSent(relative(context, each))
    mkdirSync(dirname(place), { recursive: true })
    cpSync(path, place, { recursive: true, filter })
  }
}

/** Absolute paths of the image are those of the stage's folder. */
function run(command: string, root: string, cwd: string): void {
  const here = command.replaceAll(/(?<=^|\s)\/(?=\w)/g, `${root}/`)
  execFileSync('sh', ['-ec', here], { cwd, timeout: RUN_TIMEOUT_MS, stdio: 'pipe' })
}

/**
 * Which files of the context the engine would get. Only what a list of the form `*`, `!path` needs:
 * all is kept back but what is named, or stands below it.
 */
function contextFilter(context: string): (path: string) => boolean {
  const file = join(context, '.dockerignore')
  if (!existsSync(file)) return () => true
  const patterns = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (patterns[0] !== '*' || patterns.slice(1).some((each) => !/^!\.?[\w/.-]+$/.test(each)))
    throw new Error('.dockerignore has another form than "*" and then "!path"')
  const sent = patterns.slice(1).map((each) => each.slice(1))
  return (path) => sent.some((each) => path === each || path.startsWith(`${each}/`))
}

/** Files and their sizes, in a folder and all below it. */
export function filesBelow(folder: string): Map<string, number> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => !entry.isDirectory())
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return [relative(folder, path), statSync(path).size] as const
    }),
  )
}
