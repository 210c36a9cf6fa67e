// Hours of faults under load: `npm run soak -- --rounds 200`. Prints what docs/reliability.md shows.
import { parseArgs } from 'node:util'
import { runChaos, type ChaosReport, type Round } from '../test/system/chaos/chaos.ts'

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    only: { type: 'string' },
    brokers: { type: 'string', default: '1' },
    rate: { type: 'string', default: '2000' },
  },
})
const options = {
  rounds: Number(given.rounds),
  seed: Number(given.seed),
  perSecond: Number(given.rate),
  only: given.only,
  brokers: Number(given.brokers),
}
say(
  `${options.rounds} rounds, seed ${options.seed}, ${options.perSecond} clicks/s, brokers: ${options.brokers}`,
)
const startedAt = performance.now()
const soaked = await runChaos({ ...options, observe: tell })
say(`\n${tableOf(soaked, (performance.now() - startedAt) / 60_000)}`)
for (const problem of soaked.problems) say(`WRONG: ${problem}`)
if (soaked.problems.length > 0) say(`seed ${options.seed}\n${soaked.logs}`)
process.exit(soaked.problems.length === 0 ? 0 : 1)

function tell(round: Round): void {
  const { number, kinds, faultMs, stallMs, silenceMs, refused, unanswered, stopMs, recoveredMs } =
    round
  const times = [
    `not counted ${seconds(stallMs)}`,
    `not acknowledged ${seconds(silenceMs)}`,
    `refused ${refused}`,
    `unanswered ${unanswered}`,
    ...(stopMs === undefined ? [] : [`stopped in ${seconds(stopMs)}`]),
    `as before after ${seconds(recoveredMs)}`,
  ]
  say(`${number}. ${kinds.join(' and ')} (${seconds(faultMs)}): ${times.join(', ')}`)
}

function tableOf(report: ChaosReport, minutes: number): string {
  const { rounds, sums, answers, lagMs, partitions, memory } = report
  const kinds = [...Map.groupBy(rounds, ({ kind }) => kind)].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  )
  const rows = kinds.map(([kind, of]) => {
    const times = [
      of.map(({ faultMs }) => faultMs),
      of.map(({ stallMs }) => stallMs),
      of.map(({ silenceMs }) => silenceMs),
    ]
    const clicks = [of.map((round) => round.refused), of.map((round) => round.unanswered)]
    const cells = [...times.map((ms) => spread(ms, seconds)), ...clicks.map((some) => spread(some))]
    return `| ${kind} | ${of.length} | ${cells.join(' | ')} |`
  })
  const sizes = [...memory].map(([name, size]) => `${name} ${size}`)
  return [
    '| fault | times | it took | not counted | not acknowledged | refused | unanswered |',
    '| --- | --: | --: | --: | --: | --: | --: |',
    ...rows,
    '',
    `- ${rounds.length} rounds in ${minutes.toFixed(0)} minutes, seed ${options.seed}, ${options.perSecond} clicks/s, ${partitions} partitions at the end.`,
    `- Keys sent: ${sums?.keys}. Clicks without a key: ${sums?.acknowledged} acknowledged, ${sums?.inDoubt} in doubt. Counted: ${sums?.counted}, of ${sums?.records} records in the log.`,
    `- Answers held against the acknowledgements: ${answers}; completeUntil was behind by ${spread(lagMs, seconds)}.`,
    `- Resident memory at the end, MiB: ${sizes.join(', ')}.`,
  ].join('\n')
}

/** The middle and the greatest. */
function spread(values: readonly number[], format: (value: number) => string = String): string {
  const sorted = values.toSorted((a, b) => a - b)
  return `${format(sorted[Math.floor(sorted.length / 2)] ?? 0)} / ${format(sorted.at(-1) ?? 0)}`
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
