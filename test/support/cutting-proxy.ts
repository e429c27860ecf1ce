import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { ScriptName } from '../../src/tasks/scripts.ts'

const ECHO = 'the-request-before-this-was-executed'
const ECHO_REQUEST = Buffer.from(`*2\r\n$4\r\nECHO\r\n$${ECHO.length}\r\n${ECHO}\r\n`)
const ECHO_REPLY = Buffer.from(`$${ECHO.length}\r\n${ECHO}\r\n`)

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

/** The hash under which `createScripts` runs it. */
const hashOf = (script: ScriptName): string => {
  const read = (name: string) =>
    readFileSync(new URL(`../../src/tasks/lua/${name}.lua`, import.meta.url), 'utf8')
  return sha1(`${read('lib')}\n${read(script)}`)
}

const sha1 = (text: string | Buffer) => createHash('sha1').update(text).digest('hex')

const scriptHash = ([command, script]: readonly Buffer[]): string | undefined => {
  switch (command?.toString().toUpperCase()) {
    case 'EVALSHA':
      return script?.toString()
    case 'EVAL':
      return script && sha1(script)
    default:
      return undefined
  }
}

/** The first request of these bytes, an array of bulk strings; null when it has not come whole. */
const firstRequest = (bytes: Buffer): { args: Buffer[]; bytes: number } | null => {
  let at = 0
  /** The number after a `*` or `$`. */
  const header = (): number | null => {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return null
    const value = Number(bytes.toString('latin1', at + 1, end))
    at = end + 2
    return value
  }
  const count = header()
  if (count === null) return null
  const args: Buffer[] = []
  for (let i = 0; i < count; i++) {
    const length = header()
    if (length === null || bytes.length < at + length + 2) return null
    args.push(bytes.subarray(at, at + length))
    at += length + 2
  }
  return { args, bytes: at }
}
