/** `tallymark help` */
export const HELP = `Tallymark counts clicks, each acknowledged one exactly once.

Usage: tallymark [command]

  serve      count clicks and answer questions about them (default)
  import     --original: take over the counts of the original service (docs/migration.md)
  help       show this
  version    show the version

Settings come from the environment and from .env; docs/configuration.md lists them.

Example:
  PORT=9000 DATA_DIR=/var/lib/tallymark tallymark serve
  curl -X POST localhost:9000/counter/42
  curl localhost:9000/stats/42
`
