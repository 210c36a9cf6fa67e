// The dashboard for Grafana, read as far as tests ask.
import { readFileSync } from 'node:fs'

const GRAFANA = new URL('../../deploy/grafana/', import.meta.url)

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>
  readonly collapsed?: boolean
  readonly datasource?: DataSource
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  readonly targets?: readonly Query[]
  /** Of a row that is collapsed. */
  readonly panels?: readonly Panel[]
}

interface Query {
  readonly refId: string
  readonly expr: string
  readonly legendFormat: string
  readonly datasource: DataSource
}

interface DataSource {
  readonly type: string
  readonly uid: string
}

interface Variable {
  readonly name: string
  readonly type: string
  readonly datasource: DataSource
  readonly query: { readonly query: string }
  readonly allValue: string
}

export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly schemaVersion: number
  readonly timezone: string
  readonly templating: { readonly list: readonly Variable[] }
  readonly panels: readonly Panel[]
}

export function readProvisioned(file: string): string {
  return readFileSync(new URL(file, GRAFANA), 'utf8')
}

export function readDashboard(): Dashboard {
  return JSON.parse(readProvisioned('dashboards/tallymark.json')) as Dashboard // ours
}

/** Rows, and what is in those that are collapsed. */
export function allPanels(panels: readonly Panel[]): readonly Panel[] {
  return panels.flatMap((panel) => [panel, ...allPanels(panel.panels ?? [])])
}

/** As Grafana sends it while everything is chosen. */
export function filledIn(text: string, { templating }: Dashboard): string {
  const values: Record<string, string> = {
    __rate_interval: '1m',
    __interval: '15s',
    __range: '1h',
    ...Object.fromEntries(templating.list.map(({ name, allValue }) => [name, allValue])),
  }
  return text.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, plain?: string) => {
    const name = braced ?? plain ?? ''
    const value = values[name]
    if (value === undefined) throw new Error(`$${name} in ${text} is no variable`)
    return value
  })
}
