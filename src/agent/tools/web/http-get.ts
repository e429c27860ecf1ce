/** One GET over HTTP(S), to addresses that were checked. */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { TcpNetConnectOpts } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { messageOf } from '../../../errors.ts'
import { FetchFailed } from './fetch-failed.ts'
import type { Address } from './resolve-host.ts'

const MAX_HEADER_BYTES = 65_536
/** For one of several addresses, before the next is tried beside it. */
const NEXT_ADDRESS_MS = 2_000

const HEADERS = {
  'user-agent': 'Mozilla/5.0 (compatible; ALEX)',
  accept: 'text/html,application/xhtml+xml,text/markdown,text/plain;q=0.9,application/json;q=0.9,*/*;q=0.5',
  'accept-language': 'en,*;q=0.5',
  'accept-encoding': 'gzip, br',
}

/**
 * Resolves with the response's head; its body has not been read. Throws `FetchFailed`.
 *
 * The connection goes to one of `addresses` and nowhere else: a name is answered by our own lookup, an address in
 * the URL has been checked as it stands, and `agent: false` makes a connection of its own for each request, so
 * that none opened for another name is used again and no proxy of the environment comes between.
 */
export const httpGet = (
  url: URL,
  addresses: readonly [Address, ...Address[]],
  signal: AbortSignal,
): Promise<IncomingMessage> => {
  const options: RequestOptions & Pick<TcpNetConnectOpts, 'autoSelectFamilyAttemptTimeout'> = {
    agent: false,
    headers: HEADERS,
    lookup: (_host, { all }, callback) => {
      if (all) callback(null, [...addresses])
      else callback(null, addresses[0].address, addresses[0].family)
    },
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
  }
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, resolve)
    request.on('error', (error) => reject(connectionFailure(url, error, signal)))
    request.end()
  })
}

/** The decoded body. Throws `FetchFailed` when it is longer than `maxBytes`, on the wire or unpacked. */
export const readBody = async (
  url: URL,
  response: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> => {
  const declared = Number(response.headers['content-length'] ?? 0)
  if (declared > maxBytes) {
    response.destroy()
    throw tooLarge(url, maxBytes, `it has ${declared} bytes`)
  }
  const limit = async function* (chunks: AsyncIterable<Buffer>) {
    let bytes = 0
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (bytes > maxBytes) throw tooLarge(url, maxBytes, 'reading it was given up')
      yield chunk
    }
  }
  const parts: Buffer[] = []
  const collect = async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of limit(chunks)) parts.push(chunk)
  }
  const unpack = unpackerFor(url, response)
  try {
    if (unpack) await pipeline(response, limit, unpack, collect, { signal })
    else await pipeline(response, collect, { signal })
  } catch (error) {
    throw error instanceof FetchFailed ? error : connectionFailure(url, error, signal)
  }
  return Buffer.concat(parts)
}

const unpackerFor = (url: URL, response: IncomingMessage) => {
  const encoding = response.headers['content-encoding']?.trim().toLowerCase() ?? ''
  switch (encoding) {
    case '':
    case 'identity':
      return null
    case 'gzip':
    case 'x-gzip':
      return createGunzip()
    case 'br':
      return createBrotliDecompress()
    case 'deflate':
      return createInflate()
    default:
      response.destroy()
      throw new FetchFailed('bad answer', `${url.host} packed the page as ${encoding.slice(0, 40)}, unasked`)
  }
}

const tooLarge = (url: URL, maxBytes: number, what: string) =>
  new FetchFailed('too large', `${url.href} is larger than ${maxBytes / 1_000_000} MB: ${what}`)

/** An abort stays what it is. */
const connectionFailure = (url: URL, error: unknown, signal: AbortSignal): unknown => {
  if (signal.aborted) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'HPE_HEADER_OVERFLOW')
    return new FetchFailed('bad answer', `${url.host} sent more than ${MAX_HEADER_BYTES} bytes of headers`)
  if (code.startsWith('HPE_'))
    return new FetchFailed('bad answer', `${url.host} does not speak HTTP (${code})`)
  if (code.startsWith('Z_') || code.startsWith('ERR_BROTLI') || code.startsWith('ERR__ERROR_FORMAT'))
    return new FetchFailed('bad answer', `the packed page of ${url.host} is broken (${code})`)
  const why = [code, messageOf(error)].filter(Boolean).join(': ')
  return new FetchFailed('unreachable', `the connection to ${url.host} failed (${why || 'no reason given'})`)
}
