import { mcpPrefixOf } from '../mcp/offered-name.ts'

/**
 * A function that names a tool in metrics, in a bounded number of ways: a tool of ours by its name, those of an MCP
 * server together as `mcp:<server>`, whatever else a model calls for as `other`.
 */
export const createToolLabel = (own: readonly string[], servers: () => readonly string[]) => {
  const known = new Set(own)
  return (name: string): string => {
    if (known.has(name)) return name
    const [server] = servers()
      .filter((each) => name.startsWith(mcpPrefixOf(each)))
      .toSorted((a, b) => b.length - a.length)
    return server === undefined ? 'other' : `mcp:${server}`
  }
}
