import { createHash } from 'node:crypto'

/** Of all names that MCP tools are offered by. */
export const MCP_PREFIX = 'mcp__'

const LONGEST = 64
const HASH_CHARS = 8
const NOT_ALLOWED = /[^A-Za-z0-9_-]/g

/**
 * `mcp__<server>__<tool>` in at most 64 characters of [A-Za-z0-9_-], as model providers take it. A name that had
 * to be changed, or that another pair could have too, ends with a hash of the pair, so that each has its own.
 */
export const offeredName = (server: string, tool: string): string => {
  const plain = `${MCP_PREFIX}${server}__${tool}`
  const allowed = plain.replaceAll(NOT_ALLOWED, '_')
  const ambiguous = server.includes('__') || server.endsWith('_')
  if (allowed === plain && plain.length <= LONGEST && !ambiguous) return plain
  const hash = createHash('sha256')
    .update(JSON.stringify([server, tool]))
    .digest('hex')
    .slice(0, HASH_CHARS)
  return `${allowed.slice(0, LONGEST - HASH_CHARS - 1)}_${hash}`
}

/** What the names of a server's tools begin with; other servers' names may too. */
export const mcpPrefixOf = (server: string): string =>
  `${MCP_PREFIX}${server}__`.replaceAll(NOT_ALLOWED, '_').slice(0, LONGEST - HASH_CHARS - 1)
