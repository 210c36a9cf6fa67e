import { Problem } from '../api/problem.ts'
import { useLanguage } from './app.ts'

interface FailureTextProps {
  readonly failure: unknown
  /** What it means that there is no answer; without it: that the question is asked again. */
  readonly unanswered?: string
}

/** What somebody has to know of a failure. */
export function FailureText({ failure, unanswered }: FailureTextProps) {
  const { text } = useLanguage()
  if (!(failure instanceof Problem)) return <>{unanswered ?? text.unreachable}</>
  const known = text.problems[failure.code ?? '']
  if (known !== undefined) return <>{known}</>
  return (
    <>
      {text.failed} <span lang="en">{failure.message}</span>
    </>
  )
}
