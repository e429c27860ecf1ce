/** What `web_fetch` may connect to. Real name servers and real listeners: nothing is asked of the code but a result. */
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import tls from 'node:tls'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { CERTIFICATE } from './support/certificate.ts'
import { startDns } from './support/dns-server.ts'
import { createFixture, type Fixture } from './support/fixture.ts'
import { createFetcher, type FetcherOptions, html, listen, startSite, startTcp } from './support/web-site.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture[Symbol.asyncDispose]())
const fetcher = (options?: FetcherOptions) => createFetcher(fixture, options)

const allow = (address: string) => address === '127.0.0.1'
const nothing = () => false

describe('an address that is not public', () => {
  it.each([
    ['http://127.0.0.1:PORT/', /127\.0\.0\.1 is loopback/],
    ['http://2130706433:PORT/', /127\.0\.0\.1 is loopback/],
    ['http://0x7f.1:PORT/', /127\.0\.0\.1 is loopback/],
    ['http://0:PORT/', /0\.0\.0\.0 is unspecified/],
    ['http://[::1]:PORT/', /::1 is loopback/],
    ['http://[::ffff:127.0.0.1]:PORT/', /embeds an IPv4 address/],
    ['http://[::]:PORT/', /is unspecified/],
    ['http://169.254.169.254/latest/meta-data/', /is a cloud metadata address/],
    ['http://[fd00:ec2::254]/latest/meta-data/', /is a cloud metadata address/],
    ['http://metadata.google.internal/computeMetadata/v1/', /not a public name/],
    ['http://localhost:PORT/', /not a public name/],
  ])('is refused as %s, and nobody is called', async (url, why) => {
    const site = await startSite(html('secret'))
    const fetch = fetcher({ allow: nothing })
    const output = await fetch(url.replace('PORT', String(site.port)))
    expect(output).toEqual({ content: expect.stringMatching(why), error: 'refused address' })
    expect(site.requests).toEqual([])
  })

  it.each(['127.0.0.1', '10.0.0.7', '169.254.169.254', '::1', 'fd00:ec2::254', '64:ff9b::7f00:1'])(
    'is refused when a name leads to it: %s',
    async (address) => {
      const site = await startSite(html('secret'))
      const { server } = await startDns(() => [address])
      const fetch = fetcher({ allow: nothing, dnsServers: [server] })
      const output = await fetch(`http://site.test:${site.port}/`)
      expect(output.error).toBe('refused address')
      expect(output.content).toContain(`site.test leads to ${address}, which`)
      expect(site.requests).toEqual([])
    },
  )

  it('beside a public one refuses both', async () => {
    const { server } = await startDns(() => ['1.1.1.1', '10.0.0.7'])
    const fetch = fetcher({ allow: nothing, dnsServers: [server] })
    expect((await fetch('http://site.test/')).content).toContain('10.0.0.7, which is private')
  })

  it('is refused for another family too', async () => {
    const { server } = await startDns(() => ['1.1.1.1', 'fd12::1'])
    const fetch = fetcher({ allow: nothing, dnsServers: [server] })
    expect((await fetch('http://site.test/')).content).toContain('fd12::1, which is private')
  })
})

describe('a name whose answer changes', () => {
  it('is looked up once: the connection goes to the address that was checked', async () => {
    const good = await startSite(html('the page that was checked'))
    // Once looked at, the name leads elsewhere, where nobody listens: a second look-up would fail.
    const { server, asked } = await startDns((_name, count) => (count === 0 ? ['127.0.0.1'] : ['127.0.0.2']))
    const fetch = fetcher({ allow, dnsServers: [server] })
    const output = await fetch(`http://rebind.test:${good.port}/`)
    expect(output.content).toContain('the page that was checked')
    expect(asked).toEqual(['rebind.test', 'rebind.test'])
  })

  it('is checked again by the next call', async () => {
    const site = await startSite(html('a page'))
    const { server } = await startDns((_name, count) => [count === 0 ? '127.0.0.1' : '127.0.0.2'])
    const fetch = fetcher({ allow, dnsServers: [server] })
    expect((await fetch(`http://rebind.test:${site.port}/one`)).error).toBeUndefined()
    expect((await fetch(`http://rebind.test:${site.port}/two`)).error).toBe('refused address')
    expect(site.requests).toEqual(['/one'])
  })

  it('is checked again in the middle of a chain of redirects', async () => {
    const site = await startSite((request, response) => {
      response.writeHead(302, { location: request.url === '/' ? '/again' : '/end' })
      response.end()
    })
    const { server } = await startDns((_name, count) => [count === 0 ? '127.0.0.1' : '127.0.0.2'])
    const fetch = fetcher({ allow, dnsServers: [server] })
    const output = await fetch(`http://rebind.test:${site.port}/`)
    expect(output.error).toBe('refused address')
    expect(output.content).toContain('rebind.test leads to 127.0.0.2, which is loopback')
    expect(site.requests).toEqual(['/'])
  })
})

describe('a redirect', () => {
  const redirecting = (location: string, status = 302) =>
    startSite((_request, response) => {
      response.writeHead(status, { location })
      response.end('moved')
    })

  it.each([
    ['http://127.0.0.2/', 'is loopback'],
    ['//0x7f000002/', '127.0.0.2 is loopback'],
    ['http://169.254.169.254/latest/meta-data/', 'is a cloud metadata address'],
    ['http://[::1]/', 'is loopback'],
    ['http://localhost/', 'is not a public name'],
    ['file:///etc/passwd', 'neither http nor https'],
    ['http://user:secret@127.0.0.1/', 'holds credentials'],
    ['http://127.0.0.1:25/', 'uses port 25'],
  ])('to %s is refused, and the answer says where it came from', async (location, why) => {
    const site = await redirecting(location)
    const fetch = fetcher()
    const output = await fetch(`${site.url}/start`)
    expect(output.error).toBe('refused address')
    expect(output.content).toContain(`${site.url}/start redirects; `)
    expect(output.content).toContain(why)
    expect(output.content).not.toContain('secret')
  })

  it('at the end of a chain is refused like one at its start', async () => {
    const secret = await startSite(html('secret'), '127.0.0.2')
    const last = await redirecting(secret.url, 307)
    const middle = await redirecting(last.url, 301)
    const first = await redirecting(middle.url, 303)
    const output = await fetcher()(first.url)
    expect(output).toMatchObject({ error: 'refused address', content: expect.stringContaining(last.url) })
    expect(secret.requests).toEqual([])
  })

  it('is refused each time, never from the cache', async () => {
    let location = '/page'
    const site = await startSite((request, response) => {
      if (request.url === '/page') return html('the page')(request, response)
      response.writeHead(302, { location })
      response.end()
    })
    const fetch = fetcher()
    location = 'http://127.0.0.2/'
    expect((await fetch(`${site.url}/a`)).error).toBe('refused address')
    expect((await fetch(`${site.url}/a`)).error).toBe('refused address')
    location = '/page'
    expect((await fetch(`${site.url}/a`)).content).toContain('the page')
    expect(site.requests.filter((path) => path === '/a')).toHaveLength(3)
  })

  it('is followed five times, and no more', async () => {
    const site = await startSite((request, response) => {
      const left = Number(request.url?.slice(1))
      if (left === 0) return html('arrived')(request, response)
      response.writeHead(302, { location: `/${left - 1}` })
      response.end()
    })
    const fetch = fetcher()
    const arrived = await fetch(`${site.url}/5`)
    expect(arrived.content).toContain('arrived')
    expect(arrived.content).toContain(`${site.url}/0`)
    expect((await fetch(`${site.url}/6`)).error).toBe('too many redirects')
  })
})

it('no proxy of the environment comes between', async () => {
  const proxy = await startTcp((socket) => socket.end('HTTP/1.1 502 Proxied\r\n\r\n'))
  const restore = http.setGlobalProxyFromEnv({ http_proxy: proxy.url, https_proxy: proxy.url })
  onTestFinished(restore)
  const site = await startSite(html('straight'))
  expect((await fetcher()(site.url)).content).toContain('straight')
})

it('a connection is not used again for another name', async () => {
  const sockets = new Set<number | undefined>()
  const site = await startSite((request, response) => {
    sockets.add(request.socket.remotePort)
    response.setHeader('connection', 'keep-alive')
    html('a page')(request, response)
  })
  const { server } = await startDns(() => ['127.0.0.1'])
  const fetch = fetcher({ dnsServers: [server] })
  await fetch(`http://one.test:${site.port}/`)
  await fetch(`http://two.test:${site.port}/`)
  expect(sockets.size).toBe(2)
})

describe('over TLS', () => {
  const secure = async () => {
    const names: (string | false | null)[] = []
    const server = https.createServer(CERTIFICATE, (request, response) => {
      if (request.socket instanceof tls.TLSSocket) names.push(request.socket.servername)
      html('sealed')(request, response)
    })
    const { port } = await listen(server)
    const dns = await startDns(() => ['127.0.0.1'])
    return { port, names, fetch: fetcher({ dnsServers: [dns.server] }) }
  }
  const trust = (...certificates: string[]) => {
    const before = tls.getCACertificates('default')
    onTestFinished(() => tls.setDefaultCACertificates(before))
    tls.setDefaultCACertificates(certificates)
  }

  it('the certificate must be for the name, though the connection is to an address', async () => {
    trust(CERTIFICATE.cert)
    const { port, names, fetch } = await secure()
    expect((await fetch(`https://site.test:${port}/`)).content).toContain('sealed')
    expect(names).toEqual(['site.test'])
    const other = await fetch(`https://other.test:${port}/`)
    expect(other).toMatchObject({ error: 'unreachable', content: expect.stringContaining('ALTNAME_INVALID') })
    expect((await fetch(`https://127.0.0.1:${port}/`)).content).toContain('ALTNAME_INVALID')
  })

  it('a certificate that nobody vouches for is refused', async () => {
    const { port, fetch } = await secure()
    const output = await fetch(`https://site.test:${port}/`)
    expect(output).toMatchObject({ error: 'unreachable', content: expect.stringContaining('SELF_SIGNED') })
  })
})

describe('a name server', () => {
  it('that knows no such name is told apart from one that does not answer', async () => {
    const { server } = await startDns((name) => (name === 'gone.test' ? null : []))
    const fetch = fetcher({ dnsServers: [server] })
    expect(await fetch('http://gone.test/')).toMatchObject({ error: 'unknown name' })
    expect(await fetch('http://empty.test/')).toMatchObject({ error: 'unknown name' })
    const dead = await startDns(() => 'silence')
    const waiting = fetcher({ dnsServers: [dead.server], fetchTimeoutMs: 300 })
    expect(await waiting('http://slow.test/')).toMatchObject({ error: 'timeout' })
  })

  it('that is slow is not waited for once the task is stopped', async () => {
    const asked = Promise.withResolvers<void>()
    const { server } = await startDns(() => {
      asked.resolve()
      return 'silence'
    })
    const fetch = fetcher({ dnsServers: [server] })
    const controller = new AbortController()
    const running = fetch('http://slow.test/', { signal: controller.signal })
    await asked.promise
    controller.abort()
    expect((await running).error).toBe('cancelled')
  })
})

it('a stopped task closes the connection', async () => {
  const connected = Promise.withResolvers<http.ServerResponse>()
  const site = await startSite((_request, response) => connected.resolve(response))
  const controller = new AbortController()
  const running = fetcher()(site.url, { signal: controller.signal })
  const closed = once(await connected.promise, 'close')
  controller.abort()
  expect((await running).error).toBe('cancelled')
  await closed
})
