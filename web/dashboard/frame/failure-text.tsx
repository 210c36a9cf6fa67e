import { Problem } from '../api/problem.ts'
import { useLanguage } from './app.ts'

/** What somebody has to know of a failure. */
export function FailureText({ failure }: { readonly failure: unknown }) {
  const { text } = useLanguage()
  if (!(failure instanceof Problem)) return <>{text.unreachable}</>
  const known = text.problems[failure.code ?? '']
  if (known !== undefined) return <>{known}</>
  return (
    <>
      {text.failed} <span lang="en">{failure.message}</span>
    </>
  )
}

/** The same without saying who said it: for a title. */
export function ProblemTitle({ problem }: { readonly problem: Problem }) {
  const { text } = useLanguage()
  return <>{text.problems[problem.code ?? ''] ?? <span lang="en">{problem.message}</span>}</>
}
