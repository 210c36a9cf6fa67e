import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { PlainHistogram } from './plain-histogram.ts'

/** What a document says of a metric. */
export interface Described {
  readonly section: string
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly help: string
}

/** Undefined: not known, or there is no such thing; then there is no line. */
export type Read = () => number | undefined

type Labels<L extends string> = Readonly<Record<L, string | number>>
type Histograms<L extends string> = () => readonly (readonly [
  Readonly<Record<L, string>>,
  PlainHistogram,
])[]

/** Metrics of one registry, by the sections of the document that describes them. */
export class DeclaredMetrics {
  readonly registry = new Registry()
  readonly described: Described[] = []
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  #describe<L extends string>(
    section: string,
    type: Described['type'],
    shortName: string,
    help: string,
    labelNames: L[] = [],
  ) {
    const name = `${this.#prefix}${shortName}`
    this.described.push({ section, name, type, labels: labelNames, help })
    return { name, help, labelNames, registers: [this.registry] }
  }

  total<L extends string = never>(
    section: string,
    name: string,
    help: string,
    labels: L[] = [],
  ): Counter<L> {
    return new Counter(this.#describe(section, 'counter', name, help, labels))
  }

  histogram(section: string, name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ ...this.#describe(section, 'histogram', name, help), buckets })
  }

  /** Without a line while what it reads is not known: a 0 would raise alarms. */
  gauge(section: string, name: string, help: string, read: Read): void {
    new Gauge({
      ...this.#describe(section, 'gauge', name, help),
      collect() {
        const value = read()
        if (value === undefined) this.remove()
        else this.set(value)
      },
    })
  }

  labelled<L extends string>(
    section: string,
    name: string,
    help: string,
    labels: L[],
    read: (set: (labels: Labels<L>, value: number) => void) => void,
  ): void {
    new Gauge<L>({
      ...this.#describe(section, 'gauge', name, help, labels),
      collect() {
        this.reset()
        read((each, value) => this.set(each, value))
      },
    })
  }

  counter(section: string, name: string, help: string, read: () => number): void {
    this.labelledCounter(section, name, help, [], (inc) => inc({}, read()))
  }

  labelledCounter<L extends string = never>(
    section: string,
    name: string,
    help: string,
    labels: L[],
    read: (inc: (labels: Labels<L>, value: number) => void) => void,
  ): void {
    new Counter<L>({
      ...this.#describe(section, 'counter', name, help, labels),
      collect() {
        this.reset()
        read((each, value) => this.inc(each, value))
      },
    })
  }

  plainHistograms<L extends string = never>(
    section: string,
    name: string,
    help: string,
    labels: L[],
    read: Histograms<L>,
  ): void {
    new ReadHistogram(this.#describe(section, 'histogram', name, help, labels), read)
  }
}

/** A histogram of prom-client, as far as the registry is concerned: what it writes is read elsewhere. */
class ReadHistogram<L extends string> extends Histogram<L> {
  readonly #read: Histograms<L>
  /** One without values, that says the rest: what the registry calls here replaces this one's own. */
  readonly #described: Histogram<L>

  constructor(
    options: { name: string; help: string; labelNames: L[]; registers: Registry[] },
    read: Histograms<L>,
  ) {
    super(options)
    this.#read = read
    this.#described = new Histogram({ ...options, registers: [] })
  }

  override async get() {
    const described = await this.#described.get()
    const values = this.#read().flatMap(([labels, histogram]) =>
      linesOf(described.name, labels, histogram),
    )
    return { ...described, values }
  }

  /** What the registry prefers to `get` where there is one. */
  getForPromString() {
    return this.get()
  }
}

function linesOf<L extends string>(
  name: string,
  labels: Readonly<Record<L, string>>,
  { bounds, counts, sum }: PlainHistogram,
) {
  let count = 0
  const buckets = Array.from(counts, (each, index) => {
    count += each
    const le = String(bounds[index] ?? '+Inf')
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
