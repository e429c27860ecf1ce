/** Who may ask at all: the Host header, the browser's Origin, the bearer token. In this order. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { isConsolePath } from './console-paths.ts'
import { isForm } from './media-type.ts'
import { Problem } from './problem.ts'
import type { ApiEnv } from './request-id.ts'

export interface Access {
  /** Empty: nobody needs one. */
  tokens: string[]
  /** Names besides the loopback ones that this service answers to; a port in them is ignored. */
  allowedHosts: string[]
  /** `/metrics` and `/metrics/targets` need neither a token nor a known Host. */
  metricsPublic: boolean
}

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

/**
 * A name that only resolves here because of DNS rebinding is refused with 403 `foreign_host`.
 * Health probes pass: kubelets and load balancers address a pod by its IP.
 */
export const knownHost = (access: Access): MiddlewareHandler<ApiEnv> => {
  const allowed = allowedNames(access)
  return async function checkHost(c, next) {
    const name = hostname(hostOf(c))
    const known = name !== undefined && (isLoopback(name) || allowed.has(name))
    if (!known && !isOpen(c, access)) {
      throw new Problem(403, 'foreign_host', 'this Host is not in allowed_hosts')
    }
    await next()
  }
}

/** Another site's page may not change anything: 403 `foreign_origin`, or 415 for a form it could post unasked. */
export const sameOrigin = (access: Access): MiddlewareHandler<ApiEnv> => {
  const allowed = allowedNames(access)
  return async function checkOrigin(c, next) {
    const origin = c.req.header('Origin')
    if (origin !== undefined && !SAFE_METHODS.includes(c.req.method) && !isOwn(origin, hostOf(c), allowed)) {
      if (isForm(c.req.header('Content-Type'))) {
        throw new Problem(415, 'unsupported_media_type', 'a form from another origin is not accepted')
      }
      throw new Problem(403, 'foreign_origin', 'pages of another origin may not change anything here')
    }
    await next()
  }
}

export const bearerToken = (access: Access): MiddlewareHandler<ApiEnv> => {
  const digests = access.tokens.map(digest)
  return async function checkToken(c, next) {
    const isPublic = isOpen(c, access) || isDescription(c) || isConsole(c)
    if (digests.length === 0 || isPublic) return next()
    const given = /^Bearer +(\S+) *$/i.exec(c.req.header('Authorization') ?? '')?.[1]
    if (given === undefined)
      throw unauthorized('send Authorization: Bearer with one of the api_tokens', 'Bearer')
    // Every token is compared, and all at the same cost, so that time tells nothing.
    const mine = digest(given)
    const matches = digests.filter((known) => timingSafeEqual(known, mine))
    if (matches.length === 0) throw unauthorized('this token is not known', 'Bearer error="invalid_token"')
    return next()
  }
}

const unauthorized = (detail: string, challenge: string) =>
  new Problem(401, 'unauthorized', detail, { headers: { 'WWW-Authenticate': challenge } })

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const isOpen = (c: Context, access: Access): boolean =>
  c.req.path === '/health' ||
  c.req.path.startsWith('/health/') ||
  (access.metricsPublic && (c.req.path === '/metrics' || c.req.path === '/metrics/targets'))

/** What the API can do, without a word of this instance: a browser opens it before anybody could give a token. */
const isDescription = (c: Context): boolean =>
  c.req.path === '/openapi.json' || c.req.path === '/docs' || c.req.path.startsWith('/docs/')

const isConsole = (c: Context): boolean => ['GET', 'HEAD'].includes(c.req.method) && isConsolePath(c.req.path)

// HTTP/1.0 has no Host: the server put its own name into the URL.
const hostOf = (c: Context): string => c.req.header('Host') ?? new URL(c.req.url).host

/** A page of this very host and port, or of a host the operator named (a proxy may hide the port from us). */
const isOwn = (origin: string, host: string, allowed: Set<string>): boolean => {
  const from = URL.parse(origin)
  if (from === null || from.origin === 'null') return false
  if (allowed.has(bareName(from.hostname))) return true
  return URL.parse(`${from.protocol}//${host}`)?.host === from.host
}

// A page on another port of this machine is another origin, hence no loopback names here.
const allowedNames = (access: Access): Set<string> =>
  new Set(
    access.allowedHosts
      .map(hostname)
      .filter((name): name is string => name !== undefined && !isLoopback(name)),
  )

/** The name alone, normalized; undefined when it is no `host[:port]`. */
const hostname = (host: string): string | undefined => {
  if (!/^[^\s/?#@\\]+$/.test(host)) return undefined
  const authority = /^[^[\]]*:[^[\]]*:/.test(host) ? `[${host}]` : host
  const url = URL.parse(`http://${authority}`)
  return url === null ? undefined : bareName(url.hostname)
}

const bareName = (name: string): string => name.replace(/\.$/, '').toLowerCase()

const isLoopback = (name: string): boolean =>
  name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)
