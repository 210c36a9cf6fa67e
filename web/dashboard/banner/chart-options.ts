import uPlot from 'uplot'
import type { Step } from '../api/api.ts'
import type { Language } from '../text/language.ts'
import type { Shown } from './banner-model.ts'

const HEIGHT = 280
const DRAG_MIN_PIXELS = 6
/** Of so few steps each is a point, too: a single one is no line. */
const POINTS_MAX = 62
const DAY_S = 86_400

export interface ChartParts {
  readonly width: number
  readonly language: Language
  readonly step: Step
  readonly tz: string
  /** Holds the colours, as custom properties. */
  readonly style: CSSStyleDeclaration
  /** The step under the pointer; undefined: none. */
  readonly onPoint: (index: number | undefined) => void
  /** Steps that were dragged over, the first and the last. */
  readonly onSelect: (from: number, to: number) => void
}

/** Columns: first instants in seconds, the period before, closed counts, open ones joined to them. */
export function chartData({
  starts,
  series,
  before,
  openFrom,
  futureFrom,
}: Shown): uPlot.AlignedData {
  const seconds = starts.map((start) => start / 1_000)
  const { counts } = series
  return [
    seconds,
    starts.map((_, index) => before?.counts[index] ?? null),
    counts.map((count, index) => (index < openFrom ? count : null)),
    counts.map((count, index) => (index >= openFrom - 1 && index < futureFrom ? count : null)),
  ]
}

export function chartOptions(parts: ChartParts): uPlot.Options {
  const { width, language, tz, style, onPoint, onSelect } = parts
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  const axis = {
    stroke: colour('quiet'),
    font: `12px ${style.fontFamily}`,
    grid: { stroke: colour('grid'), width: 1 },
    ticks: { show: false },
  } satisfies uPlot.Axis
  const points = { show: ({ data }: uPlot) => data[0].length <= POINTS_MAX, size: 5 }
  const line = { stroke: colour('accent'), width: 1.5, points }
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), tz),
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false, dist: DRAG_MIN_PIXELS }, y: false },
    scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.08)] } },
    axes: [
      {
        ...axis,
        values: (_, splits) => splits.map((at, index) => tickText(at, index, splits, parts)),
      },
      {
        ...axis,
        size: 64,
        incrs: WHOLE_NUMBERS,
        values: (_, splits) => splits.map((count) => language.number(count)),
      },
    ],
    series: [
      {},
      { stroke: colour('faint'), width: 1, points: { show: false } },
      { ...line, fill: colour('area') },
      { ...line, dash: [4, 4] },
    ],
    hooks: {
      setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)],
      setSelect: [
        (plot) => {
          const { left, width: pixels } = plot.select
          if (pixels < DRAG_MIN_PIXELS) return
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
          onSelect(plot.posToIdx(left), plot.posToIdx(left + pixels))
        },
      ],
    },
  }
}

/** Clicks are whole. */
const WHOLE_NUMBERS = Array.from({ length: 15 }, (_, power) =>
  [1, 2, 5].map((digit) => digit * 10 ** power),
).flat()

/** The time of day, and where a day begins its date. */
function tickText(
  seconds: number,
  index: number,
  splits: readonly number[],
  { language, step, tz }: ChartParts,
): string {
  const at = seconds * 1_000
  const isMonths = (splits[1] ?? 0) - (splits[0] ?? 0) >= 27 * DAY_S || step === 'month'
  if (isMonths) return language.date(at, tz, { month: 'short', year: 'numeric' })
  const day = language.date(at, tz, { day: 'numeric', month: 'short' })
  const isDays = (splits[1] ?? 0) - (splits[0] ?? 0) >= DAY_S
  if (isDays || splits.length === 1) return day
  const time = language.date(at, tz, { hour: '2-digit', minute: '2-digit' })
  const previous = splits[index - 1]
  const isNewDay =
    previous === undefined ||
    language.date(previous * 1_000, tz, { day: 'numeric', month: 'short' }) !== day
  return isNewDay ? `${time}\n${day}` : time
}
