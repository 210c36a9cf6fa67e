import { useLanguage } from '../frame/app.ts'
import type { Course as CourseOfBanner } from './courses.ts'

const WIDTH = 160
const HEIGHT = 28

interface CourseProps {
  /** Undefined while it is on its way; then the place is kept. */
  readonly course: CourseOfBanner | undefined
  readonly name: string
}

/** A small line without axes: where it is high, there were clicks. What is not over yet is no fall. */
export function Course({ course, name }: CourseProps) {
  const { text } = useLanguage()
  return (
    <svg
      class="course"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={text.courseOf(name)}
    >
      {course !== undefined && <Line {...course} />}
    </svg>
  )
}

function Line({ counts, isOpen }: CourseOfBanner) {
  const points = pointsOf(counts)
  const closed = isOpen && points.length > 2 ? points.slice(0, -1) : points
  const last = closed.at(-1) ?? ''
  return (
    <>
      <path class="area" d={`M${closed.join('L')}V${HEIGHT}H0Z`} />
      <path class="line" d={`M${closed.join('L')}`} />
      {closed !== points && <path class="line open" d={`M${last}L${points.at(-1) ?? last}`} />}
    </>
  )
}

function pointsOf(counts: readonly number[]): readonly string[] {
  const most = Math.max(1, ...counts)
  const shown = counts.length === 1 ? [...counts, ...counts] : counts
  return shown.map((count, index) => {
    const x = (index * WIDTH) / (shown.length - 1)
    const y = HEIGHT - 1 - (count / most) * (HEIGHT - 2)
    return `${x.toFixed(1)},${y.toFixed(1)}`
  })
}
