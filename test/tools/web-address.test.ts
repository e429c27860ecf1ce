import { networkInterfaces } from 'node:os'
import { describe, expect, it } from 'vitest'
import { addressRefusal } from '../../src/agent/tools/web/address-policy.ts'
import { checkUrl } from '../../src/agent/tools/web/url-policy.ts'

describe('an address', () => {
  it.each([
    ['1.1.1.1 8.8.8.8 93.184.215.14 172.15.0.1 172.32.0.1 100.63.255.255 100.128.0.0 169.253.0.1', null],
    ['2606:4700:4700::1111 2a00:1450:4001::200e 2001:4860:4860::8888 2400:cb00::1', null],
    ['127.0.0.1 127.255.255.254 ::1 0:0:0:0:0:0:0:1', 'is loopback'],
    ['0.0.0.0 0.1.2.3 ::', 'is unspecified'],
    ['10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 fc00::1 fdff::1 fec0::1', 'is private'],
    ['169.254.0.1 fe80::1 febf::1', 'is link-local'],
    ['169.254.169.254 fd00:ec2::254 100.100.100.200 168.63.129.16', 'is a cloud metadata address'],
    ['100.64.0.1 100.127.255.255', 'is shared by a provider (CGNAT)'],
    ['224.0.0.1 239.255.255.255 ff02::1 ff0e::1', 'is multicast'],
    [
      '240.0.0.1 255.255.255.255 192.0.2.1 198.18.0.1 203.0.113.9 192.88.99.1 2001:db8::1 3fff::1',
      'is reserved',
    ],
    ['::ffff:7f00:1 ::ffff:808:808 ::7f00:1 ::8.8.8.8', 'embeds an IPv4 address'],
    ['64:ff9b::a00:1 64:ff9b:1::a00:1 2002:7f00:1::1 2001:0:4136:e378::1', 'embeds an IPv4 address'],
    ['100::1 5f00::1 4000::1 e000::1', 'is not a public IPv6 address'],
    ['localhost 127.1 fe80::1%lo 2606:4700::1%lo', 'is no IP address'],
  ])('%s: %s', (addresses, expected) => {
    const all = addresses.split(' ')
    expect(all.map(addressRefusal)).toEqual(all.map(() => expected))
  })

  it('of this machine is refused, whichever it is', () => {
    const own = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    expect(own.length).toBeGreaterThan(0)
    for (const { address } of own) expect(addressRefusal(address)).not.toBeNull()
  })
})

describe('a URL', () => {
  it.each([
    ['https://example.com/a?b#c', 'example.com', 'https://example.com/a?b'],
    ['http://EXAMPLE.com.:8080', 'example.com', 'http://example.com.:8080/'],
    ['https://[2606:4700::1111]:8443/', '2606:4700::1111', 'https://[2606:4700::1111]:8443/'],
    ['http:\\\\example.com\\x', 'example.com', 'http://example.com/x'],
  ])('%s leads to %s', (text, host, href) => {
    const target = checkUrl(text)
    expect([target.host, target.url.href]).toEqual([host, href])
  })

  it.each([
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0x7f.0.0.1/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://127.0.0.1./',
    'http://1２7.0.0.1/',
    'http://%31%32%37.0.0.1/',
    'http://127。0。0。1/',
    'http:127.0.0.1',
    'http:///127.0.0.1/',
    ' \thttp://127.0.\n0.1/ ',
  ])('%j is seen as the address it is', (text) => {
    expect(checkUrl(text).host).toBe('127.0.0.1')
  })

  it.each([
    ['file:///etc/passwd', /neither http nor https/],
    ['ftp://example.com/', /neither http nor https/],
    ['data:text/html,hello', /neither http nor https/],
    ['javascript:alert(1)', /neither http nor https/],
    ['example.com/page', /is not a URL/],
    ['http://', /is not a URL/],
    ['http://[fe80::1%25eth0]/', /is not a URL/],
    ['http://user:secret@example.com/', /holds credentials/],
    ['http://example.com:22/', /uses port 22/],
    ['http://example.com:0/', /uses port 0/],
    ['https://example.com:993/', /uses port 993/],
    ['http://localhost:8080/', /not a public name/],
    ['http://LOCALHOST./', /not a public name/],
    ['http://ⓛocalhost/', /not a public name/],
    ['http://app.localhost/', /not a public name/],
    ['http://metadata/computeMetadata/v1/', /not a public name/],
    ['http://metadata.google.internal./computeMetadata/v1/', /not a public name/],
    ['http://printer.local/', /not a public name/],
    ['http://redis:6379/', /not a public name/],
  ])('%s is refused', (text, why) => {
    expect(() => checkUrl(text)).toThrow(why)
  })

  it('with credentials is refused without repeating them', () => {
    expect(() => checkUrl('http://user:secret@example.com/')).toThrow(/^(?!.*secret)/)
  })
})
