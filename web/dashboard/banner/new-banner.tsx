import { useEffect, useState } from 'preact/hooks'
import { useApp, useLanguage } from '../frame/app.ts'
import { hashOf, LAST_HOUR, OVERVIEW } from '../route.ts'
import { Field, FormFailure } from './field.tsx'

/** A form that registers a banner, and then shows it. */
export function NewBanner() {
  const app = useApp()
  const { text } = useLanguage()
  const [name, setName] = useState('')
  const [url, setUrl] = useState('')
  const [id, setId] = useState('')
  const [isSaving, setSaving] = useState(false)
  const [failure, setFailure] = useState<unknown>(undefined)
  useEffect(() => {
    document.title = `${text.addBanner} – Tallymark`
  }, [text])
  const add = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    if (isSaving) return
    setSaving(true)
    setFailure(undefined)
    try {
      const banner = await app.api.addBanner({
        name,
        ...(url !== '' && { url }),
        // What is no number is sent as it is: the service says what it wants.
        ...(id !== '' && { id: /^\d+$/.test(id) ? Number(id) : (id as unknown as number) }),
      })
      app.go({ kind: 'banner', id: banner.id, period: LAST_HOUR, ...FIRST_CHOICE })
    } catch (error) {
      setFailure(error)
      setSaving(false)
    }
  }
  return (
    <>
      <p class="path">
        <a href={hashOf(OVERVIEW)}>← {text.overview}</a>
      </p>
      <h1>{text.addBanner}</h1>
      <form class="narrow" onSubmit={(event) => void add(event)}>
        <Field label={text.name} field="name" value={name} failure={failure} onInput={setName} />
        <Field
          label={text.destination}
          about={text.destinationAbout}
          field="url"
          value={url}
          failure={failure}
          onInput={setUrl}
        />
        <Field
          label={text.id}
          about={text.idAbout}
          field="id"
          value={id}
          failure={failure}
          onInput={setId}
        />
        <FormFailure failure={failure} fields={['name', 'url', 'id']} />
        <div class="actions">
          <button type="submit" class="main" aria-disabled={isSaving}>
            {text.addBanner}
          </button>
          <a class="button" href={hashOf(OVERVIEW)}>
            {text.cancel}
          </a>
        </div>
      </form>
    </>
  )
}

const FIRST_CHOICE = { step: undefined, tz: undefined, form: 'chart' } as const
