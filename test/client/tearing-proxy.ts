/** Stands between a client and the API, and tears connections apart. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export const startTearingProxy = async (target: string) => {
  let port = Number(new URL(target).port)
  let cuts: number[] = []
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const api = connect(port, '127.0.0.1')
    let left = cuts.shift() ?? Number.POSITIVE_INFINITY
    for (const [one, other] of [
      [client, api],
      [api, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    client.on('data', (bytes) => api.write(bytes))
    api.on('data', (bytes) => {
      client.write(bytes.subarray(0, left), () => {
        if (left <= 0) client.destroy()
      })
      left -= bytes.length
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** The next connections break after so many bytes of answer each. */
    cutAfter: (...bytes: number[]) => void (cuts = bytes),
    cutsLeft: () => cuts.length,
    /** Another API is behind it from now on. */
    aimAt(url: string) {
      port = Number(new URL(url).port)
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
