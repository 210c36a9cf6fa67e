import { useEffect, useRef } from 'preact/hooks'
import type { TokenQuestion } from '../api/tokens.ts'
import { useApp, useLanguage } from './app.ts'

/** Asks for a token while a request waits for one. */
export function TokenDialog() {
  const question = useApp().tokens.question.value
  return question === undefined ? null : <Question question={question} key={question} />
}

function Question({ question }: { readonly question: TokenQuestion }) {
  const { tokens } = useApp()
  const { text } = useLanguage()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const shown = dialog.current
    const before = document.activeElement
    shown?.showModal()
    return () => {
      shown?.close()
      if (before instanceof HTMLElement) before.focus() // one that is removed gives it to nothing
    }
  }, [])
  const answer = (event: SubmitEvent & { readonly currentTarget: HTMLFormElement }): void => {
    event.preventDefault()
    const token = new FormData(event.currentTarget).get('token')
    if (typeof token === 'string' && token !== '') tokens.answer(token.trim())
  }
  return (
    <dialog ref={dialog} onCancel={() => tokens.answer(undefined)} aria-labelledby="token-title">
      <form onSubmit={answer}>
        <h2 id="token-title">{text.tokens[question.kind]}</h2>
        <label class="field">
          {text.token}
          <input
            name="token"
            type="password"
            required
            autocomplete="off"
            aria-describedby="token-about"
            aria-invalid={question.wasWrong}
          />
        </label>
        <p id="token-about" class={question.wasWrong ? 'wrong' : 'quiet'}>
          {question.wasWrong ? text.wrongToken : text.tokenAbout}
        </p>
        <div class="actions">
          <button type="submit" class="main">
            {text.giveToken}
          </button>
          <button type="button" onClick={() => tokens.answer(undefined)}>
            {text.cancel}
          </button>
        </div>
      </form>
    </dialog>
  )
}
