import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A connection that a test writes to as it likes. */
export interface RawConnection extends Disposable {
  readonly socket: Socket
  /** Everything that was received so far. */
  received(): string
  /** Resolves when the server has closed it. */
  readonly closed: Promise<void>
  /** Resolves when the text was received; rejects if the connection is closed before. */
  has(text: string): Promise<void>
}

export function openRaw(origin: string): RawConnection {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  const received = () => Buffer.concat(chunks).toString()
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => {}) // a reset is a way to close it
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => resolve())
  })
  return {
    socket,
    received,
    closed,
    has: (text) =>
      new Promise((resolve, reject) => {
        const look = () => received().includes(text) && resolve()
        socket.on('data', look)
        socket.on('close', () => reject(new Error(`closed after ${JSON.stringify(received())}`)))
        look()
      }),
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** Sends bytes as they are and reads until the server closes; for what no HTTP client would send. */
export async function sendRaw(origin: string, bytes: string | Buffer): Promise<RawAnswer> {
  const connection = openRaw(origin)
  connection.socket.write(bytes)
  await connection.closed
  return parse(connection.received())
}

function parse(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  return { status: Number(statusLine.split(' ')[1]), headers, body: text.slice(end + 4) }
}
