/** From a URL to the text of what it leads to. Every step of a chain of redirects is checked like the first. */
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import { type Content, contentOf, sniffed } from './content-type.ts'
import { decodeText } from './decode-text.ts'
import { FetchFailed } from './fetch-failed.ts'
import { httpGet, readBody } from './http-get.ts'
import { type ResolveOptions, resolveHost } from './resolve-host.ts'
import { checkUrl, type Target } from './url-policy.ts'

export interface FetchedPage {
  /** After redirects. */
  url: string
  kind: 'html' | 'text'
  text: string
}

const MAX_BODY_BYTES = 5_000_000
const MAX_REDIRECTS = 5
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Throws `FetchFailed`, or what the abort of `signal` makes of a connection. */
export const fetchPage = async (
  text: string,
  signal: AbortSignal,
  options: ResolveOptions,
): Promise<FetchedPage> => {
  let { url, response } = await open(checkUrl(text), signal, options)
  for (let redirects = 0; ; redirects += 1) {
    const location = redirectOf(response)
    if (location === null) return readPage(url, response, signal)
    response.destroy()
    if (redirects === MAX_REDIRECTS)
      throw new FetchFailed('too many redirects', `${text} redirects more than ${MAX_REDIRECTS} times`)
    const from = url
    try {
      ;({ url, response } = await open(checkUrl(location, from), signal, options))
    } catch (error) {
      if (!(error instanceof FetchFailed)) throw error
      throw new FetchFailed(error.kind, `${from.href} redirects; ${error.message}`)
    }
  }
}

const open = async ({ url, host }: Target, signal: AbortSignal, options: ResolveOptions) => {
  const addresses = await resolveHost(host, signal, options)
  return { url, response: await httpGet(url, addresses, signal) }
}

/** A redirect that names no place is an answer like any other. */
const redirectOf = ({ statusCode = 0, headers }: IncomingMessage): string | null =>
  REDIRECTS.has(statusCode) ? (headers.location ?? null) : null

const readPage = async (url: URL, response: IncomingMessage, signal: AbortSignal): Promise<FetchedPage> => {
  const { statusCode = 0, headers } = response
  if (statusCode < 200 || statusCode > 299) {
    response.destroy()
    const meaning = STATUS_CODES[statusCode] ?? 'unknown status'
    throw new FetchFailed(`HTTP ${statusCode}`, `${url.href} answered ${statusCode} ${meaning}`)
  }
  const declared = contentOf(headers['content-type'])
  if (declared?.kind === 'other') {
    response.destroy()
    throw notText(url, declared.type, headers['content-length'])
  }
  const body = await readBody(url, response, MAX_BODY_BYTES, signal)
  const content: Content = declared ?? sniffed(body)
  if (content.kind === 'other') throw notText(url, content.type, String(body.length))
  return { url: url.href, kind: content.kind, text: decodeText(body, content) }
}

const notText = (url: URL, type: string, bytes: string | undefined) =>
  new FetchFailed(
    'not text',
    `${url.href} is ${type}, ${bytes === undefined ? 'of unknown size' : `${bytes} bytes`}: only text can be read`,
  )
