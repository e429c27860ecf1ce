/**
 * Which IP addresses a page may be fetched from: those of the public internet, after IANA's registries of
 * special addresses. IPv6 is the other way round, an allow-list: only what is assigned for global use, less what
 * wraps an IPv4 address or is special. An IPv6 translator of the local network within global space cannot be told
 * from any other address.
 */
import { BlockList, isIP, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'

type Family = 'ipv4' | 'ipv6'

/** Null: public. Else what is wrong with it, to be read after the address. */
export const addressRefusal = (address: string): string | null => {
  if (isIP(address) === 0 || address.includes('%')) return 'is no IP address'
  const family = familyOf(address)
  const special = SPECIAL.find((each) => each[family].check(address, family))
  if (special) return special.what
  if (family === 'ipv6' && !GLOBAL_IPV6.check(address, family)) return 'is not a public IPv6 address'
  return isOwn(address, family) ? 'is an address of this machine' : null
}

const familyOf = (address: string): Family => (isIPv4(address) ? 'ipv4' : 'ipv6')

const blocksOf = (subnets: readonly string[]): BlockList => {
  const blocks = new BlockList()
  for (const subnet of subnets) {
    const [network = '', prefix] = subnet.split('/')
    blocks.addSubnet(network, Number(prefix), familyOf(network))
  }
  return blocks
}

/** A list for each family, because a `BlockList` finds any IPv4 address within `::ffff:0:0/96`. */
const special = (what: string, subnets: string) => {
  const all = subnets.split(' ')
  return {
    what,
    ipv4: blocksOf(all.filter((subnet) => !subnet.includes(':'))),
    ipv6: blocksOf(all.filter((subnet) => subnet.includes(':'))),
  }
}

const GLOBAL_IPV6 = blocksOf(['2000::/3'])

/** The first that fits names it. */
const SPECIAL = [
  special(
    'is a cloud metadata address',
    '169.254.169.254/32 169.254.170.2/32 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32 fd00:ec2::254/128',
  ),
  special('is loopback', '127.0.0.0/8 ::1/128'),
  special('is unspecified', '0.0.0.0/8 ::/128'),
  special('is private', '10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10'),
  special('is link-local', '169.254.0.0/16 fe80::/10'),
  special('is shared by a provider (CGNAT)', '100.64.0.0/10'),
  special('is multicast', '224.0.0.0/4 ff00::/8'),
  special('embeds an IPv4 address', '::ffff:0:0/96 ::/96 64:ff9b::/96 64:ff9b:1::/48 2002::/16 2001::/32'),
  special(
    'is reserved',
    '192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 ' +
      '2001::/23 2001:db8::/32 3fff::/20',
  ),
]

/** A public address of our own leads to services that only trust the machine they run on. */
const isOwn = (address: string, family: Family): boolean => {
  const own = new BlockList()
  for (const { address: mine } of Object.values(networkInterfaces()).flatMap((list) => list ?? []))
    if (isIP(mine) !== 0) own.addAddress(mine, familyOf(mine))
  return own.check(address, family)
}
