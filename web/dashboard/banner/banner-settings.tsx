import { useEffect, useState } from 'preact/hooks'
import type { Banner, BannerChange } from '../api/api.ts'
import { useApp, useLanguage } from '../frame/app.ts'
import { Field, FormFailure } from './field.tsx'

interface BannerSettingsProps {
  readonly banner: Banner
  readonly onChange: (banner: Banner) => void
}

/** Name, destination and status of a banner. */
export function BannerSettings({ banner, onChange }: BannerSettingsProps) {
  const { api } = useApp()
  const { text } = useLanguage()
  const [name, setName] = useState(banner.name)
  const [url, setUrl] = useState(banner.url ?? '')
  const [state, setState] = useState<'idle' | 'saving' | 'saved'>('idle')
  const [failure, setFailure] = useState<unknown>(undefined)
  useEffect(() => {
    setName(banner.name)
    setUrl(banner.url ?? '')
  }, [banner.name, banner.url])
  const change = async (wanted: BannerChange): Promise<void> => {
    setState('saving')
    setFailure(undefined)
    try {
      onChange(await api.changeBanner(banner.id, wanted))
      setState('saved')
    } catch (error) {
      setFailure(error)
      setState('idle')
    }
  }
  const isSaving = state === 'saving'
  return (
    <form
      onInput={() => setState('idle')}
      onSubmit={(event) => {
        event.preventDefault()
        if (!isSaving) void change({ name, url: url === '' ? null : url })
      }}
    >
      <Field label={text.name} field="name" value={name} failure={failure} onInput={setName} />
      <Field
        label={text.destination}
        about={text.destinationAbout}
        field="url"
        value={url}
        failure={failure}
        onInput={setUrl}
      />
      <FormFailure failure={failure} fields={['name', 'url']} />
      <div class="actions">
        <button type="submit" class="main" aria-disabled={isSaving}>
          {text.save}
        </button>
        <StatusButtons
          banner={banner}
          isDisabled={isSaving}
          onChange={(status) => {
            if (!isSaving) void change({ status })
          }}
        />
        <span role="status" class="done">
          {state === 'saved' && text.saved}
        </span>
      </div>
      {banner.status === 'paused' && <p class="quiet">{text.pausedAbout}</p>}
      {banner.status === 'archived' && <p class="quiet">{text.archivedAbout}</p>}
    </form>
  )
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
