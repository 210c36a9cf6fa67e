import { useId } from 'preact/hooks'
import { Problem } from '../api/problem.ts'
import { useLanguage } from '../frame/app.ts'
import { FailureText } from '../frame/failure-text.tsx'

interface FieldProps {
  readonly label: string
  readonly about?: string
  /** Its name in the API, by which a failure names it. */
  readonly field: string
  readonly value: string
  readonly failure: unknown
  readonly onInput: (value: string) => void
}

/** An input with what the service says of its value. */
export function Field({ label, about, field, value, failure, onInput }: FieldProps) {
  const { text } = useLanguage()
  const id = useId()
  const wrong = failure instanceof Problem ? failure.fields.get(field) : undefined
  // What is wrong with a value is said by the service alone; a code of its own has words.
  const known =
    failure instanceof Problem && failure.code !== 'invalid_parameter'
      ? text.problems[failure.code ?? '']
      : undefined
  return (
    <div class="field">
      <label>
        {label}
        <input
          name={field}
          value={value}
          dir="auto"
          autocomplete="off"
          spellcheck={false}
          aria-invalid={wrong !== undefined}
          aria-describedby={id}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      </label>
      <span
        id={id}
        class={wrong === undefined ? 'quiet' : 'wrong'}
        role={wrong === undefined ? undefined : 'alert'}
        lang={wrong === undefined || known !== undefined ? undefined : 'en'}
      >
        {(wrong && known) ?? wrong ?? about}
      </span>
    </div>
  )
}

interface FormFailureProps {
  readonly failure: unknown
  /** Those that say themselves what is wrong with them. */
  readonly fields: readonly string[]
}

export function FormFailure({ failure, fields }: FormFailureProps) {
  const { text } = useLanguage()
  if (failure === undefined) return null
  const isSaid = failure instanceof Problem && fields.some((field) => failure.fields.has(field))
  return isSaid ? null : (
    <p class="wrong" role="alert">
      <FailureText failure={failure} unanswered={text.saveUnanswered} />
    </p>
  )
}
