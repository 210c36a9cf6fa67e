// What Grafana needs of its files. No Grafana runs here; what the panels ask for is asked of a real
// Prometheus in prometheus.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allPanels, filledIn, readDashboard, readProvisioned, type Panel } from './dashboard.ts'

const COLUMNS = 24
/** From which on Grafana reads a dashboard as it is; older ones it migrates. */
const SCHEMA_VERSION_MIN = 39

const dashboard = readDashboard()
const panels = allPanels(dashboard.panels)
const shown = panels.filter(({ type }) => type !== 'row')

test('the dashboard is one that current Grafana reads as it is, by the clock of who looks', () => {
  assert.ok(dashboard.schemaVersion >= SCHEMA_VERSION_MIN)
  assert.equal(dashboard.timezone, 'browser')
  assert.match(dashboard.uid, /^[\w-]{1,40}$/)
})

test('every panel and query of the dashboard has a number of its own', () => {
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  for (const { title, targets = [] } of shown) {
    assert.ok(targets.length > 0, title)
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title)
  }
})

test('every panel says what it means, and in which unit', () => {
  for (const { title, type, description = '', fieldConfig } of shown) {
    assert.match(description, /^[A-Z].{20,}\.$/, title)
    if (type === 'stat' || type === 'timeseries') assert.ok(fieldConfig?.defaults.unit, title)
  }
  assert.equal(new Set(shown.map(({ title }) => title)).size, shown.length)
})

test('no panel lies over another one, nor beyond the edge', () => {
  const taken = new Map<string, string>()
  // Those of a collapsed row are drawn where they stand once it is opened.
  for (const { title, gridPos } of panels) {
    const { x, y, w, h } = gridPos
    assert.ok(x >= 0 && w > 0 && h > 0 && x + w <= COLUMNS, title)
    for (let column = x; column < x + w; column += 1) {
      for (let line = y; line < y + h; line += 1) {
        const place = `${column}/${line}`
        assert.equal(taken.get(place), undefined, `${title} lies over ${taken.get(place)}`)
        taken.set(place, title)
      }
    }
  }
})

test('rows hold their panels if they are collapsed, and stand before them if not', () => {
  const rows = panels.filter(({ type }) => type === 'row')
  assert.ok(rows.length >= 5)
  for (const { title, collapsed, panels: inside = [] } of rows) {
    assert.equal(collapsed === true, inside.length > 0, title)
  }
  assert.equal(dashboard.panels[0]?.type, 'row')
})

test('everything on the dashboard comes from the data source that is provisioned', () => {
  const provisioned = readProvisioned('provisioning/datasources/prometheus.yaml')
  const uid = /^ +uid: (\S+)$/m.exec(provisioned)?.[1] ?? ''
  const ours = { type: 'prometheus', uid }
  const sources = [
    ...shown.map(({ datasource }) => datasource),
    ...shown.flatMap(({ targets = [] }: Panel) => targets.map(({ datasource }) => datasource)),
    ...dashboard.templating.list.map(({ datasource }) => datasource),
  ]
  for (const source of sources) assert.deepEqual(source, ours)
  assert.match(provisioned, /^ +url: http:\/\/prometheus:9090$/m)
  // As often as Prometheus looks, or rates over few seconds would be empty.
  assert.match(provisioned, /^ +timeInterval: 15s$/m)
})

test('every query is of the installation that is chosen, as the rules keep them apart', () => {
  const queries = shown.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  for (const query of queries) {
    const names = query.match(/\b(?:tallymark[\w:]+|up|ALERTS)\b/g) ?? []
    const chosen = query.match(/\b\w[\w:]*\{installation=~"\$installation",/g) ?? []
    assert.ok(names.length > 0)
    assert.equal(chosen.length, names.length, query)
  }
})

test('every variable in a query is one of the dashboard or of Grafana', () => {
  const used = shown.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  for (const { query } of dashboard.templating.list) used.push(query.query)
  for (const expr of used) assert.doesNotMatch(filledIn(expr, dashboard), /\$/)
  for (const { name } of dashboard.templating.list) {
    assert.ok(
      used.some((expr) => expr.includes(`$${name}`)) || name === 'instance',
      `${name} is used`,
    )
  }
})
