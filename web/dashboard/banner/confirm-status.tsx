import { useEffect, useRef } from 'preact/hooks'
import type { Banner } from '../api/api.ts'
import { useLanguage } from '../frame/app.ts'

interface ConfirmStatusProps {
  readonly banner: Banner
  readonly status: 'paused' | 'archived'
  /** Whether it is really wanted. */
  readonly onAnswer: (isWanted: boolean) => void
}

/** Asks before clicks are refused, as a press of a button beside another one may be a slip. */
export function ConfirmStatus({ banner, status, onAnswer }: ConfirmStatusProps) {
  const { text } = useLanguage()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  const title = { paused: text.pauseTitle, archived: text.archiveTitle }[status]
  const yes = { paused: text.pause, archived: text.archive }[status]
  // It is closed before it is gone: that gives the focus back to where it was.
  const close = (answer: 'yes' | 'no'): void => dialog.current?.close(answer)
  return (
    <dialog
      ref={dialog}
      aria-labelledby="confirm-title"
      aria-describedby="confirm-about"
      onClose={() => onAnswer(dialog.current?.returnValue === 'yes')}
    >
      <h2 id="confirm-title">{title(banner.name)}</h2>
      <p id="confirm-about">{text.refusedAbout}</p>
      <div class="actions">
        <button type="button" class="main" onClick={() => close('yes')}>
          {yes}
        </button>
        <button type="button" onClick={() => close('no')}>
          {text.cancel}
        </button>
      </div>
    </dialog>
  )
}
