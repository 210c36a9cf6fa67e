import { readConfig, type Config } from '../config.ts'

/** What is probably a mistake in the settings is said: it may be why a command finds another store. */
export function readCommandConfig(): Config {
  const config = readConfig()
  for (const warning of config.warnings) process.stderr.write(`tallymark: ${warning}\n`)
  return config
}
