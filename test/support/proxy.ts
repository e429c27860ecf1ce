/** A proxy before Redis that can stop carrying bytes without closing, as a network that drops packets does. */
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const startProxy = async (target: string) => {
  const folder = await mkdtemp(join(tmpdir(), 'alex-test-proxy-'))
  const socket = join(folder, 'proxy.sock')
  const pairs = new Set<[Socket, Socket]>()
  let stalled = false
  const server = createServer((client) => {
    const upstream = connect(target)
    const pair: [Socket, Socket] = [client, upstream]
    pairs.add(pair)
    for (const [from, to] of [pair, pair.toReversed() as typeof pair]) {
      from.on('data', (bytes) => to.write(bytes))
      from.on('error', () => {})
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
      if (stalled) from.pause()
    }
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return {
    url: socket,
    /** Nothing gets through in either direction from here on; connections stay open. */
    stall() {
      stalled = true
      for (const side of [...pairs].flat()) side.pause()
    },
    /** The connections there are go dead, half open; new ones get through. */
    deaden() {
      for (const side of [...pairs].flat()) side.pause()
    },
    flow() {
      stalled = false
      for (const side of [...pairs].flat()) side.resume()
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const side of [...pairs].flat()) side.destroy()
      await closed
      await rm(folder, { recursive: true, force: true })
    },
  }
}
