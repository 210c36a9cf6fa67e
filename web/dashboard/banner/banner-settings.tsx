import { useState } from 'preact/hooks'
import type { Banner, BannerChange } from '../api/api.ts'
import { useApp, useLanguage } from '../frame/app.ts'
import { changeOf, type BannerEdits } from './banner-edits.ts'
import { ConfirmStatus } from './confirm-status.tsx'
import { Field, FormFailure } from './field.tsx'

interface BannerSettingsProps {
  readonly banner: Banner
  readonly onChange: (banner: Banner) => void
}

/** Name, destination and status of a banner. */
export function BannerSettings({ banner, onChange }: BannerSettingsProps) {
  const { api } = useApp()
  const { text } = useLanguage()
  const [edits, setEdits] = useState<BannerEdits>({})
  const [asked, setAsked] = useState<'paused' | 'archived' | undefined>(undefined)
  const [state, setState] = useState<'idle' | 'saving' | 'saved'>('idle')
  const [failure, setFailure] = useState<unknown>(undefined)
  const change = async (wanted: BannerChange, saved?: BannerEdits): Promise<void> => {
    setState('saving')
    setFailure(undefined)
    try {
      onChange(await api.changeBanner(banner.id, wanted))
      setEdits((current) => (current === saved ? {} : current)) // more may have been typed
      setState('saved')
    } catch (error) {
      setFailure(error)
      setState('idle')
    }
  }
  const isSaving = state === 'saving'
  const changeStatus = (status: Banner['status']): void => void change({ status })
  const chooseStatus = (status: Banner['status']): void => {
    if (isSaving) return
    if (banner.status === 'active' && status !== 'active') setAsked(status)
    else changeStatus(status)
  }
  const answer = (isWanted: boolean): void => {
    setAsked(undefined)
    if (isWanted && asked !== undefined) changeStatus(asked)
  }
  return (
    <>
      <form
        onInput={() => setState('idle')}
        onSubmit={(event) => {
          event.preventDefault()
          if (!isSaving) void change(changeOf(banner, edits), edits)
        }}
      >
        <Field
          label={text.name}
          field="name"
          value={edits.name ?? banner.name}
          failure={failure}
          onInput={(name) => setEdits({ ...edits, name })}
        />
        <Field
          label={text.destination}
          about={text.destinationAbout}
          field="url"
          value={edits.url ?? banner.url ?? ''}
          failure={failure}
          onInput={(url) => setEdits({ ...edits, url })}
        />
        <FormFailure failure={failure} fields={['name', 'url']} />
        <div class="actions">
          <button type="submit" class="main" aria-disabled={isSaving}>
            {text.save}
          </button>
          <StatusButtons banner={banner} isDisabled={isSaving} onChange={chooseStatus} />
          <span role="status" class="done">
            {state === 'saved' && text.saved}
          </span>
        </div>
        <StatusAbout status={banner.status} />
      </form>
      {asked !== undefined && <ConfirmStatus banner={banner} status={asked} onAnswer={answer} />}
    </>
  )
}

function StatusAbout({ status }: Pick<Banner, 'status'>) {
  const { text } = useLanguage()
  if (status === 'active') return null
  return <p class="quiet">{status === 'paused' ? text.pausedAbout : text.archivedAbout}</p>
}

interface StatusButtonsProps {
  readonly banner: Banner
  readonly isDisabled: boolean
  readonly onChange: (status: Banner['status']) => void
}

function StatusButtons({ banner: { status }, isDisabled, onChange }: StatusButtonsProps) {
  const { text } = useLanguage()
  const changes = {
    active: [
      { title: text.pause, to: 'paused' },
      { title: text.archive, to: 'archived' },
    ],
    paused: [
      { title: text.resume, to: 'active' },
      { title: text.archive, to: 'archived' },
    ],
    archived: [{ title: text.bringBack, to: 'active' }],
  } as const
  return (
    <>
      {changes[status].map(({ title, to }) => (
        // Kept by its place: what has been pressed keeps the focus when it turns into its opposite.
        <button
          key={status === 'archived' || to === 'archived' ? 'archive' : 'pause'}
          type="button"
          aria-disabled={isDisabled}
          onClick={() => onChange(to)}
        >
          {title}
        </button>
      ))}
    </>
  )
}
