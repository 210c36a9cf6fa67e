// parseEnv of Node.js takes from a file what it can read, and says nothing of the rest.

/** A sentence for each line that sets nothing, or whose quote takes in the lines after it; without values. */
export function unreadLines(text: string): string[] {
  const lines = text.split('\n')
  const problems: string[] = []
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index]?.trim() ?? ''
    if (line === '' || line.startsWith('#')) continue
    const read = /^(?:export\s+)?[^\s=]+\s*=\s*(["'`]?)(.*)$/.exec(line)
    const [, quote = '', rest = ''] = read ?? []
    if (read === null) {
      problems.push(`line ${index + 1} is no NAME=value, and sets nothing`)
    } else if (quote !== '' && !rest.includes(quote)) {
      problems.push(`line ${index + 1} opens a quote that it does not close`)
      // Up to where it is closed, if it is, they are the value.
      const end = lines.findIndex((each, at) => at > index && each.includes(quote))
      if (end !== -1) index = end
    }
  }
  return problems
}
