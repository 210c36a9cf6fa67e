// Kafka and Postgres behind two apis and three aggregators, under load: each kind of fault once.
// `npm run soak` makes a longer run of it, and measures.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NEEDS_KAFKA } from '../support/topic.ts'
import { runChaos } from './chaos/chaos.ts'
import { kindsFor } from './chaos/faults.ts'

const PER_SECOND = 500

test(
  'I1: with Kafka, whatever is killed or stopped, nothing is lost or doubled, and no answer claims what it lacks',
  NEEDS_KAFKA,
  async () => {
    const seed = Math.floor(Math.random() * 1e9)
    const rounds = kindsFor(1).length + 1 // and two at once
    const report = await runChaos({ rounds, seed, perSecond: PER_SECOND, brokers: 1 })
    const { problems, sums, logs, answers } = report
    assert.deepEqual(problems, [], `seed ${seed}\n${problems.join('\n')}\n${logs}`)
    assert.equal(report.rounds.length, rounds)
    assert.ok(
      sums && sums.keys > rounds * 100 && sums.acknowledged > rounds * 100,
      'too little load',
    )
    assert.ok(sums.inDoubt > 0, 'no fault hit a request under way: the test shows nothing')
    assert.ok(answers > rounds * 5, `too few answers: ${answers}`)
  },
)
