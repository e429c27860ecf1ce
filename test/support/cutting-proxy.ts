import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { ScriptName } from '../../src/tasks/scripts.ts'
import { ECHO_REPLY, ECHO_REQUEST, firstRequest, hashOf, scriptHash } from './redis-wire.ts'

/** Stands between a client and Redis (a unix socket) and can lose the reply of a script that Redis has run. */
export const startCuttingProxy = async (redisSocket: string) => {
  let armed: { hash: string; done: () => void } | null = null
  const sockets = new Set<Socket>()

  const server = createServer((client) => {
    const redis = connect(redisSocket)
    const close = () => {
      client.destroy()
      redis.destroy()
    }
    for (const socket of [client, redis]) {
      sockets.add(socket)
      socket.on('error', close)
      socket.on('close', () => {
        sockets.delete(socket)
        close()
      })
    }
    /** Replies from the request to cut on, held until it is known to have run. */
    let held: Buffer | null = null
    let sent: Buffer = Buffer.alloc(0)

    client.on('data', (chunk) => {
      sent = Buffer.concat([sent, chunk])
      for (;;) {
        const request = firstRequest(sent)
        if (!request) return
        redis.write(sent.subarray(0, request.bytes))
        sent = sent.subarray(request.bytes)
        if (armed && !held && scriptHash(request.args) === armed.hash) {
          held = Buffer.alloc(0)
          redis.write(ECHO_REQUEST)
        }
      }
    })
    redis.on('data', (chunk) => {
      if (!held) {
        client.write(chunk)
        return
      }
      held = Buffer.concat([held, chunk])
      const at = held.indexOf(ECHO_REPLY)
      if (at === -1) return
      if (held.subarray(0, at).includes('-NOSCRIPT')) {
        // Not run yet: the client sends its text next.
        client.write(Buffer.concat([held.subarray(0, at), held.subarray(at + ECHO_REPLY.length)]))
        held = null
        return
      }
      const { done } = armed ?? { done: () => {} }
      armed = null
      close()
      done()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Loses the reply of the next run of this script, and the connection. Resolves when that has happened. */
    cutNext(script: ScriptName): Promise<void> {
      return new Promise((done) => {
        armed = { hash: hashOf(script), done }
      })
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
