/** The addresses of a host, each of them allowed. */
import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { addressRefusal } from './address-policy.ts'
import { FetchFailed } from './fetch-failed.ts'

export interface ResolveOptions {
  /** Lets an address through that is not public. Only tests have one: there is no setting for it. */
  allow?: ((address: string) => boolean) | undefined
  /** `address:port` of name servers, instead of the system's. */
  dnsServers?: readonly string[] | undefined
}

export interface Address {
  address: string
  family: 4 | 6
}

const DNS_TIMEOUT_MS = 3_000
const DNS_TRIES = 2
const MAX_ADDRESSES = 8

/**
 * Throws `FetchFailed`. One address that is not allowed refuses them all: a name that leads to both is either a
 * mistake or an attack.
 */
export const resolveHost = async (
  host: string,
  signal: AbortSignal,
  { allow, dnsServers }: ResolveOptions,
): Promise<[Address, ...Address[]]> => {
  const literal = isIP(host) !== 0
  const addresses = literal ? [host] : await lookUp(host, signal, dnsServers)
  for (const address of addresses) {
    const why = allow?.(address) ? null : addressRefusal(address)
    const what = literal ? address : `${host} leads to ${address}, which`
    if (why !== null) throw new FetchFailed('refused address', `${what} ${why}`)
  }
  const [first, ...rest] = addresses.slice(0, MAX_ADDRESSES).map(withFamily)
  if (first === undefined) throw new FetchFailed('unknown name', `${host} has no address`)
  return [first, ...rest]
}

const withFamily = (address: string): Address => ({ address, family: isIP(address) === 4 ? 4 : 6 })

/**
 * Not through the system's resolver: that takes a thread of the few that file access needs too, cannot be stopped,
 * and knows names of the local network that nobody outside should reach.
 */
const lookUp = async (
  host: string,
  signal: AbortSignal,
  servers: readonly string[] | undefined,
): Promise<string[]> => {
  signal.throwIfAborted()
  const resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES })
  if (servers) resolver.setServers(servers)
  const cancel = () => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    signal.throwIfAborted()
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (addresses.length > 0) return addresses
    throw unresolved(
      host,
      answers.map((answer) => (answer.status === 'rejected' ? codeOf(answer.reason) : '')),
    )
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

const NO_SUCH = new Set(['ENOTFOUND', 'ENODATA', ''])

const unresolved = (host: string, codes: readonly string[]): FetchFailed => {
  const broken = codes.find((code) => !NO_SUCH.has(code))
  return broken === undefined
    ? new FetchFailed('unknown name', `there is no host ${host}`)
    : new FetchFailed('unreachable', `${host} could not be looked up (${broken})`)
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'failed'
