/** Which URLs are fetched at all, before anything is looked up. */
import { isIP } from 'node:net'
import { FetchFailed } from './fetch-failed.ts'

export interface Target {
  url: URL
  /** A name in lower case without a dot at its end, or an IP address without brackets. */
  host: string
}

/**
 * Throws `FetchFailed`. The URL is read as browsers read it, so every way to write an IPv4 address (decimal,
 * octal, hexadecimal, short, full-width) has become the usual one here. `base`: of a redirect.
 */
export const checkUrl = (text: string, base?: URL): Target => {
  if (!URL.canParse(text, base?.href)) throw refused(text, 'is not a URL')
  const url = new URL(text, base)
  url.hash = ''
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refused(text, 'is neither http nor https')
  if (url.username !== '' || url.password !== '') throw refused(withoutCredentials(url), 'holds credentials')
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  // Below 1024 are the services of machines: mail, remote shells, name servers.
  if (port < 1024 && port !== 80 && port !== 443) throw refused(url.href, `uses port ${port}`)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  if (isIP(host) === 0 && isLocalName(host)) throw refused(url.href, `${host} is not a public name`)
  return { url, host }
}

const LOCAL_DOMAINS = ['localhost', 'local', 'internal', 'intranet', 'lan', 'home.arpa']

/** `metadata.google.internal` is one of them. */
const isLocalName = (host: string): boolean =>
  !host.includes('.') || LOCAL_DOMAINS.some((domain) => host.endsWith(`.${domain}`))

const refused = (what: string, why: string) =>
  new FetchFailed('refused address', `${what.slice(0, 300)}: ${why}`)

const withoutCredentials = (url: URL): string => `${url.protocol}//…@${url.host}${url.pathname}`
