/** A name server on loopback that answers as it is told, query by query. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import { onTestFinished } from 'vitest'

export interface DnsServer {
  /** For `dnsServers`. */
  server: string
  /** Names that were asked for, one for each question. */
  asked: string[]
}

const A = 1
const AAAA = 28
const NXDOMAIN = 3

/**
 * `answer`: the addresses of a name, of either family; null: there is no such name; `silence`: no answer. Called
 * once for every question (a look-up asks two, for A and for AAAA); `count` is how often this one was asked before.
 */
export const startDns = async (
  answer: (name: string, count: number) => readonly string[] | null | 'silence',
): Promise<DnsServer> => {
  const socket = createSocket('udp4')
  const asked: string[] = []
  const counts = new Map<string, number>()
  socket.on('message', (query, from) => {
    const { name, type, question } = questionOf(query)
    asked.push(name)
    const key = `${name} ${type}`
    const count = counts.get(key) ?? 0
    counts.set(key, count + 1)
    const addresses = answer(name, count)
    if (addresses === 'silence') return
    const fitting = (addresses ?? []).filter((address) => (isIPv4(address) ? A : AAAA) === type)
    const header = Buffer.alloc(12)
    query.copy(header, 0, 0, 2)
    header.writeUInt16BE(0x8180 | (addresses === null ? NXDOMAIN : 0), 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(fitting.length, 6)
    socket.send(Buffer.concat([header, question, ...fitting.map(recordOf)]), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  onTestFinished(async () => {
    socket.close()
    await once(socket, 'close')
  })
  return { server: `127.0.0.1:${socket.address().port}`, asked }
}

const questionOf = (query: Buffer) => {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const question = query.subarray(12, at + 5)
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), question }
}

/** A pointer to the question's name, class IN, a TTL of zero. */
const recordOf = (address: string): Buffer => {
  const data = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : bytesOfIpv6(address)
  const record = Buffer.alloc(12)
  record.writeUInt16BE(0xc00c, 0)
  record.writeUInt16BE(isIPv4(address) ? A : AAAA, 2)
  record.writeUInt16BE(1, 4)
  record.writeUInt16BE(data.length, 10)
  return Buffer.concat([record, data])
}

const bytesOfIpv6 = (address: string): Buffer => {
  const [left = '', right] = address.split('::')
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const [head, tail] = [groups(left), right === undefined ? [] : groups(right)]
  const all = [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
  const bytes = Buffer.alloc(16)
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(group, index * 2)
  return bytes
}
