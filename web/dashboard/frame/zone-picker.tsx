import { useMemo } from 'preact/hooks'
import { zonesWith } from '../model/period.ts'
import { useApp, useLanguage } from './app.ts'

interface ZonePickerProps {
  readonly tz: string
  readonly onChoose: (tz: string) => void
}

/** The time zone of what is shown; what is chosen here is remembered. */
export function ZonePicker({ tz, onChoose }: ZonePickerProps) {
  const app = useApp()
  const { text } = useLanguage()
  // Some 400 of them, while a click may draw the page anew.
  const options = useMemo(
    () =>
      zonesWith(tz).map((zone) => (
        <option key={zone} value={zone}>
          {zone.replaceAll('_', ' ')}
        </option>
      )),
    [tz],
  )
  const choose = (zone: string): void => {
    app.setZone(zone)
    onChoose(zone)
  }
  return (
    <label>
      {text.zone}
      <select value={tz} onChange={(event) => choose(event.currentTarget.value)}>
        {options}
      </select>
    </label>
  )
}
