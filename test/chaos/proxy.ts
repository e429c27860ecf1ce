/**
 * What stands between one process of the fleet and Redis. It can cut, delay and half-open connections, lose single
 * replies, and act in the narrow windows around a script: when its request is on the way, or its reply.
 */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { ScriptName } from '../../src/tasks/scripts.ts'
import { ECHO_REPLY, ECHO_REQUEST, firstRequest, hashOf, scriptHash } from '../support/redis-wire.ts'

/**
 * `before`: the request is held until `act` is done. `after`: the script has run, its reply is held. `act` gets the
 * script's ARGV; with `drop` what was held goes no further, and the connection breaks.
 */
export interface Failpoint {
  script: ScriptName
  when: 'before' | 'after'
  act: (argv: readonly string[]) => Promise<'pass' | 'drop'>
}

interface Link {
  client: Socket
  redis: Socket
}

export const startProxy = async (redisSocket: string) => {
  const links = new Set<Link>()
  let refusing = false
  let delayMs = 0
  let cutReply = false
  let armed: (Failpoint & { hash: string }) | null = null

  /** One direction of a connection: what passes keeps its order, whatever the delay was and is. */
  const createLane = () => {
    let dueAt = 0
    let last = Promise.resolve()
    let waiting = 0
    return (write: () => void) => {
      dueAt = Math.max(dueAt, performance.now() + delayMs)
      if (waiting === 0 && dueAt <= performance.now()) {
        write()
        return
      }
      const at = dueAt
      waiting += 1
      last = last
        .then(() => pause(Math.max(0, at - performance.now())))
        .then(write)
        .finally(() => {
          waiting -= 1
        })
    }
  }

  const server = createServer((client) => {
    const redis = connect(redisSocket)
    const link = { client, redis }
    const close = () => {
      links.delete(link)
      client.destroy()
      redis.destroy()
    }
    for (const socket of [client, redis]) socket.on('error', close).on('close', close)
    links.add(link)
    if (refusing) for (const socket of [client, redis]) socket.pause()
    pump(link, close)
  })

  const pump = ({ client, redis }: Link, close: () => void) => {
    let unread: Buffer = Buffer.alloc(0)
    const toRedis = createLane()
    const toClient = createLane()
    let turn = Promise.resolve()
    /** Replies since an armed script was sent, until it is known to have run. */
    let held: { replies: Buffer; done: () => void } | null = null
    const passHeld = () => {
      const replies = held?.replies ?? Buffer.alloc(0)
      held = null
      const at = replies.indexOf(ECHO_REPLY)
      const reply = Buffer.concat([replies.subarray(0, at), replies.subarray(at + ECHO_REPLY.length)])
      toClient(() => client.write(reply))
    }

    const forward = async (request: Buffer, args: Buffer[]) => {
      const point = armed !== null && scriptHash(args) === armed.hash ? armed : null
      if (point) armed = null
      const act = async () => {
        // EVALSHA hash 1 prefix ARGV…
        const argv = args.slice(4).map((arg) => arg.toString())
        if ((await point?.act(argv)) === 'drop') close()
      }
      if (point?.when === 'after') {
        const ran = new Promise<void>((resolve) => {
          held = { replies: Buffer.alloc(0), done: resolve }
        })
        toRedis(() => redis.write(Buffer.concat([request, ECHO_REQUEST])))
        await ran
        await act()
        passHeld()
        return
      }
      if (point) await act()
      toRedis(() => redis.write(request))
    }

    client.on('data', (chunk: Buffer) => {
      unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
      for (;;) {
        const found = firstRequest(unread)
        if (!found) return
        const request = unread.subarray(0, found.bytes)
        unread = unread.subarray(found.bytes)
        turn = turn.then(() => forward(request, found.args)).catch(close)
      }
    })
    redis.on('data', (chunk: Buffer) => {
      if (cutReply) {
        cutReply = false
        close()
        return
      }
      if (!held) {
        toClient(() => client.write(chunk))
        return
      }
      held.replies = Buffer.concat([held.replies, chunk])
      if (held.replies.includes(ECHO_REPLY)) held.done()
    })
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Breaks every connection there is. */
    cut() {
      for (const { client, redis } of links) for (const socket of [client, redis]) socket.destroy()
    },
    /** The connections there are let nothing through any more, in either direction, and stay open. */
    halfOpen() {
      for (const { client, redis } of links) for (const socket of [client, redis]) socket.pause()
    },
    /** Nothing gets through, on new connections either, until `mend`. */
    blackhole() {
      refusing = true
      for (const { client, redis } of links) for (const socket of [client, redis]) socket.pause()
    },
    /** Half-open connections do not come back to life; the process makes new ones. */
    mend() {
      refusing = false
      delayMs = 0
    },
    delay(ms: number) {
      delayMs = ms
    },
    /** The next reply is lost, and its connection. */
    cutNextReply() {
      cutReply = true
    },
    /** Strikes once. Null disarms. */
    arm(point: Failpoint | null) {
      armed = point && { ...point, hash: hashOf(point.script) }
    },
    async [Symbol.asyncDispose]() {
      for (const { client, redis } of links) for (const socket of [client, redis]) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
export type Proxy = Awaited<ReturnType<typeof startProxy>>
