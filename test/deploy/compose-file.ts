// What compose.yaml means with an environment, as `docker compose` reads it.
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { parse } from 'yaml'

type Values = Readonly<Record<string, string>>

export interface ComposeService {
  readonly image: string
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly pull_policy?: string
  readonly env_file?: string
  readonly environment?: Readonly<Record<string, string | number>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly networks?: readonly string[]
  readonly tmpfs?: readonly string[]
  readonly secrets?: readonly string[]
  readonly user?: string
  readonly command?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly mem_limit?: string
  readonly pids_limit?: number
  readonly restart?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly stop_grace_period?: string
  readonly logging?: { readonly options: Values }
}

export interface ComposeFile {
  readonly name: string
  readonly services: Readonly<Record<string, ComposeService>>
  readonly networks?: Readonly<Record<string, { readonly internal?: boolean } | null>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly secrets?: Readonly<Record<string, { readonly file?: string }>>
}

/** The file `.env` after `cp .example.env .env`. */
export function exampleValues(): Values {
  return parseEnv(readFileSync('.example.env', 'utf8')) as Values // none is undefined
}

/** Whether its image is made of deploy/Dockerfile. */
export function isOurs({ image }: ComposeService): boolean {
  return image.startsWith('tallymark:')
}

/** With `${NAME}` replaced by what `values` have, which are those of `.env`: after the YAML is parsed. */
export function readCompose(path: string, values: Values): ComposeFile {
  const parsed: unknown = parse(readFileSync(path, 'utf8'), { merge: true })
  return interpolateAll(parsed, values) as ComposeFile // our own
}

function interpolateAll(value: unknown, values: Values): unknown {
  if (typeof value === 'string') return interpolate(value, values)
  if (Array.isArray(value)) return value.map((each) => interpolateAll(each, values))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, each]) => [key, interpolateAll(each, values)])
  return Object.fromEntries(entries)
}

/** Throws where a name has neither a value nor a default: the engine would take it for empty. */
function interpolate(text: string, values: Values): string {
  const references = /\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\}|)/g
  return text.replaceAll(references, (_, dollar?: string, name = '', kind = '', rest = '') => {
    if (dollar !== undefined) return dollar
    const value = values[name] ?? ''
    if (value !== '') return value
    if (kind === '-') return rest
    throw new Error(`${name === '' ? text : name} has no value: ${rest}`)
  })
}

/** What the processes of a service get, beside what their image says. */
export function environmentOf({ env_file, environment = {} }: ComposeService, values: Values) {
  const own = Object.entries(environment).map(([name, value]) => [name, String(value)] as const)
  return { ...(env_file === undefined ? {} : values), ...Object.fromEntries(own) }
}
