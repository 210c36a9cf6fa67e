import { useLanguage } from '../frame/app.ts'

const WIDTH = 160
const HEIGHT = 28

interface CourseProps {
  /** Undefined while they are on their way; then the place is kept. */
  readonly counts: readonly number[] | undefined
  readonly name: string
}

/** A small line without axes: where it is high, there were clicks. */
export function Course({ counts, name }: CourseProps) {
  const { text } = useLanguage()
  const line = counts === undefined ? '' : pathOf(counts)
  return (
    <svg
      class="course"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={text.courseOf(name)}
    >
      {line !== '' && (
        <>
          <path class="area" d={`${line}V${HEIGHT}H0Z`} />
          <path class="line" d={line} />
        </>
      )}
    </svg>
  )
}

function pathOf(counts: readonly number[]): string {
  const most = Math.max(1, ...counts)
  const points = counts.length === 1 ? [...counts, ...counts] : counts
  const x = (index: number): string => ((index * WIDTH) / (points.length - 1)).toFixed(1)
  const y = (count: number): string => (HEIGHT - 1 - (count / most) * (HEIGHT - 2)).toFixed(1)
  return points.map((count, index) => `${index === 0 ? 'M' : 'L'}${x(index)},${y(count)}`).join('')
}
