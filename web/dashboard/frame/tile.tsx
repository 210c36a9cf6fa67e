import type { ComponentChildren } from 'preact'
import { useLanguage } from './app.ts'

interface TileProps {
  readonly title: string
  /** As it is shown; undefined: it is not known. */
  readonly value: string | undefined
  /** What the value has to be read with; the line is kept where there is nothing. */
  readonly children?: ComponentChildren
  readonly hint?: string
}

/** A figure. One that would be wider than its tile is written smaller: every digit is read. */
export function Tile({ title, value, children, hint }: TileProps) {
  const { text } = useLanguage()
  const shown = value ?? text.none
  return (
    <div title={hint}>
      <dt>{title}</dt>
      <dd style={{ '--length': shown.length }}>{shown}</dd>
      <dd class="quiet">{children}</dd>
    </div>
  )
}
