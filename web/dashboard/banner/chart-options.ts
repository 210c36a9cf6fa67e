import uPlot from 'uplot'
import type { Step } from '../api/api.ts'
import type { Language } from '../text/language.ts'
import type { Shown } from './banner-model.ts'
import { tickText } from './tick-text.ts'

const HEIGHT = 280
const DRAG_MIN_PIXELS = 6
/** So few steps are bars: each is seen, a single one too, and one that has just begun is no fall. */
const BARS_MAX = 62
const BAR_WIDTHS: [share: number, maxPixels: number] = [0.7, 48]
const TICK_PIXELS = 80
const NICE_STRIDES = [1, 2, 5, 10, 15, 30]

export interface ChartParts {
  readonly width: number
  readonly language: Language
  readonly step: Step
  readonly isBars: boolean
  readonly tz: string
  /** Holds the colours, as custom properties. */
  readonly style: CSSStyleDeclaration
  /** The step under the pointer; undefined: none. */
  readonly onPoint: (index: number | undefined) => void
  /** Steps that were dragged over, the first and the last. */
  readonly onSelect: (from: number, to: number) => void
}

export function isOfBars({ starts }: Shown): boolean {
  return starts.length <= BARS_MAX
}

/** Columns: first instants in seconds, the period before, closed counts, open ones; lines are joined. */
export function chartData(shown: Shown): uPlot.AlignedData {
  const { starts, series, before, openFrom, futureFrom } = shown
  const seconds = starts.map((start) => start / 1_000)
  const { counts } = series
  const isBars = isOfBars(shown)
  const openShown = isBars ? openFrom : openFrom - 1
  const heightOf = (count: number): number | null => (isBars && count === 0 ? null : count)
  return [
    seconds,
    starts.map((_, index) => before?.counts[index] ?? null),
    counts.map((count, index) => (index < openFrom ? heightOf(count) : null)),
    counts.map((count, index) =>
      index >= openShown && index < futureFrom ? heightOf(count) : null,
    ),
  ]
}

export function chartOptions(parts: ChartParts): uPlot.Options {
  const { width, language, isBars, tz, style, onPoint, onSelect } = parts
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  const axis = {
    stroke: colour('quiet'),
    font: `12px ${style.fontFamily}`,
    grid: { stroke: colour('grid'), width: 1 },
    ticks: { show: false },
  } satisfies uPlot.Axis
  const line = { stroke: colour('accent'), width: 1.5, points: { show: false } }
  const paths = isBars ? uPlot.paths.bars?.({ size: BAR_WIDTHS }) : undefined
  const counts = paths === undefined ? line : { ...line, width: 1, paths }
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), tz),
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false, dist: DRAG_MIN_PIXELS }, y: false },
    scales: {
      x: isBars ? { range: withHalfSteps } : {},
      y: { range: (_, __, max) => [0, Math.max(1, max * 1.08)] },
    },
    axes: [
      {
        ...axis,
        ...(isBars && { splits: (plot) => barsWithTicks(plot, parts.step) }),
        values: (_, splits) => splits.map((_at, index) => tickText(splits, index, parts)),
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
      { ...counts, fill: colour(isBars ? 'bar' : 'area') },
      { ...counts, ...(isBars && { fill: colour('area') }), dash: [4, 4] },
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

/** Bars stand in the middle of their place. */
function withHalfSteps({ data: [seconds] }: uPlot, min: number, max: number): uPlot.Range.MinMax {
  const [first = 0, second = first + 3_600] = seconds
  return [min - (second - first) / 2, max + (second - first) / 2]
}

/** Each label is that of a bar: between two of them is no time. */
function barsWithTicks({ data: [seconds], width }: uPlot, step: Step): number[] {
  const least = Math.ceil(seconds.length / (width / TICK_PIXELS))
  const every = NICE_STRIDES.find((stride) => stride >= least) ?? least
  // Minutes are labelled where the clock is round; longer steps begin with the period.
  const phase = step === 'minute' ? Math.round((seconds[0] ?? 0) / 60) : 0
  return [...seconds].filter((_, index) => (index + phase) % every === 0)
}

/** Clicks are whole. */
const WHOLE_NUMBERS = Array.from({ length: 15 }, (_, power) =>
  [1, 2, 5].map((digit) => digit * 10 ** power),
).flat()
