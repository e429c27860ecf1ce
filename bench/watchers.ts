/**
 * Many clients of event streams in one process, on bare sockets, so that they cost little beside what they measure.
 * Orders: `watch UPTO`: one client for each of the sessions `bench-0` … that has none yet; `report`: milliseconds
 * from `sent:` in an event to its arrival, of all since the last report.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { now, obeyOrders } from './orders.ts'

const { API_URL = '' } = process.env
const { hostname, port, host } = new URL(API_URL)
const CONNECTED_AT_ONCE = 64
const SENT = /"sent:([\d.]+)"/g
let latencies: number[] = []
let clients = 0
let lost = 0

const watch = async (sessionId: string): Promise<void> => {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  socket.setEncoding('latin1')
  socket.write(`GET /api/sse?session_id=${sessionId}&replay=none HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  socket.on('error', () => {})
  socket.on('close', () => {
    lost += 1
  })
  let tail = ''
  const greeted = Promise.withResolvers<void>()
  socket.on('data', (piece: string) => {
    const seen = now()
    const text = tail + piece
    const end = text.lastIndexOf('\n\n')
    if (text.includes('event: connected')) greeted.resolve()
    for (const [, sent] of text.slice(0, end + 1).matchAll(SENT)) latencies.push(seen - Number(sent))
    tail = text.slice(end + 1)
  })
  await Promise.race([greeted.promise, once(socket, 'close')])
}

await obeyOrders({
  async watch(upTo = 0) {
    const more = async () => {
      while (clients < upTo) {
        clients += 1
        await watch(`bench-${clients - 1}`)
      }
    }
    await Promise.all(Array.from({ length: CONNECTED_AT_ONCE }, more))
  },
  report() {
    const said = { latencies, lost }
    latencies = []
    return said
  },
})
process.exit()
