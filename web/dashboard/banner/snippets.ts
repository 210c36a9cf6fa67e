/** Lines that count a click, to be put into a terminal or a page. */
export interface Snippet {
  readonly title: string
  readonly text: string
}

/** `service` is the address of the service, without a slash at the end. */
export function snippets(
  service: string,
  banner: { readonly id: number; readonly name: string; readonly url: string | null },
): readonly Snippet[] {
  const counter = `${service}/counter/${banner.id}`
  const href = attribute(banner.url ?? '#')
  return [
    { title: 'curl', text: `curl -X POST ${counter}` },
    {
      title: 'HTML',
      text: `<a href="${href}" onclick="navigator.sendBeacon('${counter}')">${content(banner.name)}</a>`,
    },
    {
      title: 'JavaScript',
      text: `element.addEventListener('click', () => navigator.sendBeacon('${counter}'))`,
    },
  ]
}

function content(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function attribute(text: string): string {
  return content(text).replaceAll('"', '&quot;')
}
