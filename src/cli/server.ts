/** The service as the command line reaches it: over HTTP, with the configured token. */
import type { Config } from '../config.ts'

export interface Server {
  url: string
  /** Adds the base URL and the token; throws as `fetch` does when nobody answers. */
  request: (path: string, init?: RequestInit) => Promise<Response>
}

export const createServer = (config: Config, url: string = urlOf(config)): Server => {
  const base = url.replace(/\/+$/, '')
  const token = config.token ?? config.api_tokens[0]
  const request = (path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers)
    if (token !== undefined) headers.set('Authorization', `Bearer ${token}`)
    return fetch(`${base}${path}`, { ...init, headers })
  }
  return { url: base, request }
}

const EVERY_ADDRESS = ['0.0.0.0', '::', '[::]']

/** Where this machine reaches the API. */
const urlOf = ({ host, port }: Pick<Config, 'host' | 'port'>): string => {
  if (host === '127.0.0.1' || EVERY_ADDRESS.includes(host)) return `http://localhost:${port}`
  return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`
}
