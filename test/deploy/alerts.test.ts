// The alerts: by promtool, which runs their unit tests, and by what whoever is woken up needs.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { RULES_FOLDER, startPrometheus } from '../support/prometheus.ts'
import { needs, toolPath } from '../support/tools.ts'

const TESTS = globSync(join(RULES_FOLDER, '*.test.yml'))

function promtool(...args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(toolPath('promtool'), args, { encoding: 'utf8' })
  assert.equal(status, 0, `promtool ${args.join(' ')}\n${stdout}\n${stderr}`)
}

/** The anchors of headings, as GitHub makes them. */
function anchorsOf(file: string): readonly string[] {
  return Array.from(readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

test('promtool finds nothing wrong with the configuration and the rules', needs('promtool'), () => {
  promtool('check', 'config', join(RULES_FOLDER, 'prometheus.yml'))
  const rules = globSync(join(RULES_FOLDER, '{recording,alerts}.yml'))
  assert.equal(rules.length, 2)
  promtool('check', 'rules', ...rules)
})

for (const file of TESTS) {
  test(`the alerts say what they should and when: ${basename(file)}`, needs('promtool'), () => {
    promtool('test', 'rules', file)
  })
}

test('every alert is tested to fire and not to fire', () => {
  const alerts = Array.from(
    readFileSync(join(RULES_FOLDER, 'alerts.yml'), 'utf8').matchAll(/^ +- alert: (\w+)$/gm),
    ([, name = '']) => name,
  )
  assert.ok(alerts.length > 10)
  const tested = TESTS.map((file) => readFileSync(file, 'utf8')).join('')
  for (const alert of alerts) {
    assert.match(tested, new RegExp(`alertname: ${alert}, [^}]*exp_alerts: \\[\\]`), alert)
    // With labels, or the same as those of another test.
    const fires = `alertname: ${alert}\\n.*\\n +exp_alerts:( &\\w+| \\*\\w+)?(\\n.*)*?- (\\{ )?exp_labels`
    assert.match(tested, new RegExp(fires), alert)
  }
})

test(
  'O20: every alert says how bad it is, what to do first, and which section of the runbook has the rest',
  needs('prometheus'),
  async () => {
    await using prometheus = await startPrometheus([])
    const alerts = (await prometheus.rules()).filter(({ type }) => type === 'alerting')
    const anchors = anchorsOf('docs/operations.md')
    for (const { name, labels, annotations } of alerts) {
      assert.match(labels?.['severity'] ?? '', /^(critical|warning)$/, name)
      assert.match(annotations?.['summary'] ?? '', /^.{10,80}$/, name)
      assert.match(annotations?.['description'] ?? '', /First: \S.{10,}\.$/, name)
      const [path = '', anchor = ''] = annotations?.['runbook_url']?.split('#') ?? []
      assert.deepEqual([path, anchor], ['docs/operations.md', name.toLowerCase()])
      assert.ok(anchors.includes(anchor), `${path} has no section ${anchor}`)
    }
    // And no section is of an alert that is no more.
    const sections = anchors.filter((anchor) => anchor.startsWith('tallymark'))
    assert.deepEqual(sections.toSorted(), alerts.map(({ name }) => name.toLowerCase()).toSorted())
  },
)
