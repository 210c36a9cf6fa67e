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
/** The widest: `12:00 AM`, or a month with its year. */
const LABEL_PIXELS = 65
const TICK_PIXELS = LABEL_PIXELS + 15
/** Beside the labels of counts, and with the space that uPlot leaves before the chart. */
const COUNT_MARGIN_PIXELS = 12
const COUNT_PIXELS_MIN = 64
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
  const font = `12px ${style.fontFamily}`
  const axis = {
    stroke: colour('quiet'),
    font,
    grid: { stroke: colour('grid'), width: 1 },
    ticks: { show: false },
  } satisfies uPlot.Axis
  const line = { stroke: colour('accent'), width: 1.5, points: { show: false } }
  const before = { stroke: colour('faint'), width: 1 }
  const paths = isBars ? uPlot.paths.bars?.({ size: BAR_WIDTHS }) : undefined
  const counts = paths === undefined ? line : { ...line, width: 1, paths }
  return {
    width,
    height: HEIGHT,
    padding: [null, LABEL_PIXELS / 2, null, null],
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
        space: TICK_PIXELS,
        ...(isBars && {
          splits: (plot, _, __, ___, incr, space) => barsWithTicks(plot, parts.step, space / incr),
        }),
        values: (_, splits) => splits.map((_at, index) => tickText(splits, index, parts)),
      },
      {
        ...axis,
        size: (plot, labels) => countPixels(plot, labels, font),
        incrs: WHOLE_NUMBERS,
        values: (_, splits) => splits.map((count) => language.number(count)),
      },
    ],
    series: [
      {},
      // A line needs two steps.
      {
        ...before,
        points: { show: ({ data: [steps] }) => steps.length === 1, size: 8, fill: before.stroke },
      },
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
function withHalfSteps({ data: [seconds] }: uPlot): uPlot.Range.MinMax {
  const [first = 0] = seconds
  const half = gapOf(seconds) / 2
  return [first - half, (seconds.at(-1) ?? first) + half]
}

/** From one step to the next, in seconds; a single one has some room as well. */
function gapOf([first = 0, second = first + 3_600]: Iterable<number>): number {
  return second - first
}

/** Each label is that of a bar: between two of them is no time. */
function barsWithTicks({ data: [seconds] }: uPlot, step: Step, pixelsASecond: number): number[] {
  const least = Math.ceil(TICK_PIXELS / (gapOf(seconds) * pixelsASecond))
  const every = NICE_STRIDES.find((stride) => stride >= least) ?? least
  // Minutes are labelled where the clock is round; longer steps begin with the period.
  const phase = step === 'minute' ? Math.round((seconds[0] ?? 0) / 60) : 0
  return [...seconds].filter((_, index) => (index + phase) % every === 0)
}

/** So wide that every digit of each label is seen; uPlot asks first when it has none. */
function countPixels({ ctx }: uPlot, labels: readonly string[] | null, font: string): number {
  ctx.save() // uPlot remembers what it has set
  ctx.font = font
  const widths = (labels ?? []).map((label) => ctx.measureText(label).width)
  ctx.restore()
  return Math.ceil(
    Math.max(COUNT_PIXELS_MIN, ...widths.map((width) => width + COUNT_MARGIN_PIXELS)),
  )
}

/** Clicks are whole. */
const WHOLE_NUMBERS = Array.from({ length: 15 }, (_, power) =>
  [1, 2, 5].map((digit) => digit * 10 ** power),
).flat()
