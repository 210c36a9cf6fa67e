import { useEffect, useId, useState } from 'preact/hooks'
import { instantOf, PRESETS, wallTime, type Period } from '../model/period.ts'
import type { Range } from '../api/api.ts'
import { useLanguage } from './app.ts'

interface PeriodPickerProps {
  readonly period: Period
  /** What the period is now, to begin with in a free choice. */
  readonly range: Range
  readonly tz: string
  readonly onChoose: (period: Period) => void
}

/** Presets, and two instants as a clock in the zone shows them. What is pressed is what is shown. */
export function PeriodPicker({ period, range, tz, onChoose }: PeriodPickerProps) {
  const { text } = useLanguage()
  const [isFree, setFree] = useState(period.kind === 'free')
  const id = useId()
  const key = keyOf(period)
  // Back and forward choose, too.
  useEffect(() => setFree(period.kind === 'free'), [key])
  return (
    <div class="period">
      <div class="choice" role="group" aria-label={text.range}>
        {PRESETS.map((preset) => (
          <button
            key={preset}
            type="button"
            aria-pressed={period.kind === 'preset' && period.preset === preset}
            onClick={() => {
              setFree(false)
              onChoose({ kind: 'preset', preset })
            }}
          >
            {text.presets[preset]}
          </button>
        ))}
        <button
          type="button"
          aria-pressed={period.kind === 'free'}
          aria-expanded={isFree}
          aria-controls={isFree ? id : undefined}
          onClick={() => setFree(!isFree)}
        >
          {text.free}
        </button>
      </div>
      {isFree && (
        <FreePeriod id={id} range={range} tz={tz} onChoose={onChoose} key={`${key} ${tz}`} />
      )}
    </div>
  )
}

function keyOf(period: Period): string {
  return period.kind === 'free' ? `${period.from} ${period.to}` : period.preset
}

/** A year of more digits is a slip. */
const LIMITS = { min: '1970-01-01T00:00', max: '2099-12-31T23:59' }

interface FreePeriodProps {
  readonly id: string
  readonly range: Range
  readonly tz: string
  readonly onChoose: (period: Period) => void
}

function FreePeriod({ id, range, tz, onChoose }: FreePeriodProps) {
  const { text } = useLanguage()
  const [from, setFrom] = useState(() => wallTime(range.from, tz))
  const [to, setTo] = useState(() => wallTime(range.to, tz))
  const [isWrong, setWrong] = useState(false)
  const show = (event: SubmitEvent): void => {
    event.preventDefault()
    const [first, last] = [instantOf(from, tz, range.from), instantOf(to, tz, range.to)]
    const isRange = first !== undefined && last !== undefined && first < last
    setWrong(!isRange)
    if (isRange) onChoose({ kind: 'free', from: first, to: last })
  }
  return (
    <form id={id} class="free" onSubmit={show}>
      <label>
        {text.from}
        <input
          type="datetime-local"
          {...LIMITS}
          required
          value={from}
          aria-invalid={isWrong}
          onInput={(event) => setFrom(event.currentTarget.value)}
        />
      </label>
      <label>
        {text.to}
        <input
          type="datetime-local"
          {...LIMITS}
          required
          value={to}
          aria-invalid={isWrong}
          onInput={(event) => setTo(event.currentTarget.value)}
        />
      </label>
      <button type="submit">{text.apply}</button>
      {isWrong && (
        <span class="wrong" role="alert">
          {text.wrongRange}
        </span>
      )}
    </form>
  )
}
