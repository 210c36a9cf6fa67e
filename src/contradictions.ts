// Settings that are right one by one, and not together: two answers to one question, or half an
// answer. Pure; what is looked at is which names are set, so that all is reported at once.
import { fileNameOf } from './settings.ts'

/** Values by their names; an empty one is not there. */
export type Given = Readonly<Record<string, string | undefined>>

const BROKERS = ['KAFKA_BROKERS', 'KAFKA_BROKER']
const TLS_FILES = ['KAFKA_TLS_CA', 'KAFKA_TLS_CERT', 'KAFKA_TLS_KEY']

/** A sentence each. `names` are all that are read, in their order. */
export function contradictions(given: Given, names: readonly string[]): string[] {
  const set = names.filter((name) => given[name] !== undefined)
  return [
    ...secretContradictions(set),
    ...storeContradictions(set),
    ...logContradictions(given, set),
    ...tlsContradictions(given, set),
    ...saslContradictions(set),
  ]
}

function secretContradictions(set: readonly string[]): string[] {
  return set
    .filter((name) => set.includes(fileNameOf(name)))
    .map((name) => `${name} and ${fileNameOf(name)} are both set; unset one of them`)
}

function storeContradictions(set: readonly string[]): string[] {
  const url = set.find((name) => isNamed('DATABASE_URL', name))
  const parts = set.filter((name) => name.startsWith('POSTGRES_'))
  if (url !== undefined && parts.length > 0) {
    return [`${url} and ${parts.join(', ')} both say where Postgres is; unset one of them`]
  }
  return url === undefined && parts.length > 0 && !parts.includes('POSTGRES_HOST')
    ? [`${parts.join(', ')} without POSTGRES_HOST; set it too, or unset the others`]
    : []
}

function logContradictions(given: Given, set: readonly string[]): string[] {
  const brokers = set.filter((name) => BROKERS.includes(name))
  const others = set.filter((name) => name.startsWith('KAFKA_') && !brokers.includes(name))
  const hasTicker = set.includes('MINUTES_TICKER')
  const role = given['ROLE']
  const isPart = role === 'api' || role === 'aggregator'
  const problems: string[] = []
  const [name] = brokers
  if (name === undefined) {
    if (others.length > 0) {
      problems.push(`${others.join(', ')} without KAFKA_BROKERS; set it too, or unset the others`)
    }
    if (isPart) problems.push(`ROLE=${role} needs Kafka: set KAFKA_BROKERS, or unset ROLE`)
    if (hasTicker) problems.push('MINUTES_TICKER needs Kafka: set KAFKA_BROKERS, or unset it')
  } else {
    if (brokers.length > 1) {
      problems.push(`${brokers.join(' and ')} both name the brokers; unset one of them`)
    }
    if (!set.some((each) => each === 'POSTGRES_HOST' || isNamed('DATABASE_URL', each))) {
      problems.push(`${name} needs Postgres: set DATABASE_URL or POSTGRES_HOST`)
    }
    if (hasTicker && role === 'api') {
      problems.push('MINUTES_TICKER says when to count, and ROLE=api does not; unset one of them')
    }
  }
  return problems
}

function tlsContradictions(given: Given, set: readonly string[]): string[] {
  const files = TLS_FILES.filter((name) => set.includes(name))
  const pair = ['KAFKA_TLS_CERT', 'KAFKA_TLS_KEY']
  const missing = pair.filter((name) => !files.includes(name))
  const problems: string[] = []
  if (missing.length === 1) {
    const there = pair.filter((name) => files.includes(name))
    problems.push(`${there.join()} without ${missing.join()}; set both or none`)
  }
  if (given['KAFKA_TLS'] === 'off' && files.length > 0) {
    problems.push(
      `KAFKA_TLS=off and ${files.join(', ')} contradict each other; unset one or the other`,
    )
  }
  return problems
}

function saslContradictions(set: readonly string[]): string[] {
  const parts = ['KAFKA_SASL_MECHANISM', 'KAFKA_USERNAME', 'KAFKA_PASSWORD']
  const isSet = (part: string): boolean => set.some((name) => isNamed(part, name))
  const missing = parts.filter((part) => !isSet(part))
  if (missing.length === 0 || missing.length === parts.length) return []
  const there = parts.filter(isSet)
  return [`${there.join(', ')} without ${missing.join(' and ')}; set all three or none`]
}

/** The secret itself, or the name of its file. */
function isNamed(secret: string, name: string): boolean {
  return name === secret || name === fileNameOf(secret)
}
