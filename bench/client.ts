/** The load's own side: keep-alive HTTP with as little work as possible, and readers of event streams. */
import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

export type Client = ReturnType<typeof createClient>

/** Throws for any answer that is not a success. */
export const createClient = (url: string) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const { hostname, port } = new URL(url)
  const send = (method: string, path: string, body?: string): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers =
        body === undefined
          ? {}
          : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
      const sent = request({ agent, hostname, port, method, path, headers }, resolve)
      sent.on('error', reject)
      sent.end(body)
    })
  const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const answer = await send(method, path, body && JSON.stringify(body))
    const said = await text(answer)
    if ((answer.statusCode ?? 500) >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${said}`)
    return JSON.parse(said) as T
  }
  return {
    url,
    get: <T>(path: string) => call<T>('GET', path),
    post: <T>(path: string, body: object = {}) => call<T>('POST', path, body),
    async submit(fields: object = {}): Promise<{ task_id: string; session_id: string }> {
      return call('POST', '/api/tasks', { task: 'say that it works', ...fields })
    },
    /** Every event of a stream, until it ends or `close` is called. `seen`: `performance.now()` at its arrival. */
    events(path: string, onEvent: (name: string, data: string, seen: number) => void): Promise<() => void> {
      return new Promise((resolve, reject) => {
        const asked = request({ hostname, port, path, agent: false }, (answer) => {
          let tail = ''
          answer.setEncoding('utf8')
          answer.on('error', () => {})
          answer.on('data', (piece: string) => {
            const seen = performance.now()
            const blocks = (tail + piece).split('\n\n')
            tail = blocks.pop() ?? ''
            for (const block of blocks) {
              const name = /^event: (.*)$/m.exec(block)?.[1]
              if (name === undefined) continue
              if (name === 'connected') resolve(() => answer.destroy())
              onEvent(name, /^data: (.*)$/m.exec(block)?.[1] ?? '', seen)
            }
          })
        })
        asked.on('error', reject)
        asked.end()
      })
    },
    close: () => agent.destroy(),
  }
}
