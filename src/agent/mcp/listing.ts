/** What a server says of its tools, sorted into those we can offer and those we can't. */
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { z } from 'zod'

export interface ListedTool {
  name: string
  description: string
  /** As the server gave it. */
  inputSchema: Record<string, unknown>
  readOnly: boolean
}

export interface Listing {
  tools: ListedTool[]
  /** Why the others are not offered, by name. */
  notOffered: Record<string, string>
}

const Page = z.looseObject({ tools: z.array(z.unknown()), nextCursor: z.string().optional() })

// Each tool by itself, so that an odd one hides no other; and no more of it than is used.
const ToolEntry = z.object({
  name: z.string().min(1),
  title: z.string().optional(),
  description: z.string().optional(),
  inputSchema: z.record(z.string(), z.unknown()),
  annotations: z.object({ readOnlyHint: z.boolean().optional() }).optional(),
  execution: z.object({ taskSupport: z.string().optional() }).optional(),
})

/** A server that pages without end is cut off here. */
const MAX_PAGES = 100

/** Rejects when the server does not answer in time or answers what is no list. */
export const listTools = async (
  client: Client,
  options: { timeout: number; signal: AbortSignal },
): Promise<Listing> => {
  const listing: Listing = { tools: [], notOffered: {} }
  if (client.getServerCapabilities()?.tools === undefined) return listing
  const seen = new Set<string>()
  let cursor: string | undefined
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const params = cursor === undefined ? {} : { cursor }
    // Not `client.listTools`: it compiles the output schemas, and one that cannot be compiled would hide all tools.
    const answer = await client.request({ method: 'tools/list', params }, Page, options)
    for (const [index, entry] of answer.tools.entries()) add(listing, seen, entry, `tool ${index + 1}`)
    cursor = answer.nextCursor
    if (cursor === undefined) break
  }
  return listing
}

const add = (listing: Listing, seen: Set<string>, entry: unknown, fallbackName: string): void => {
  const result = ToolEntry.safeParse(entry)
  if (!result.success) {
    listing.notOffered[nameIn(entry) ?? fallbackName] = 'its description is not valid'
    return
  }
  const { name, title, description = title ?? name, inputSchema, annotations, execution } = result.data
  if (seen.has(name)) return
  seen.add(name)
  if (execution?.taskSupport === 'required') {
    listing.notOffered[name] = 'it demands task-based execution'
    return
  }
  listing.tools.push({ name, description, inputSchema, readOnly: annotations?.readOnlyHint === true })
}

const nameIn = (entry: unknown): string | undefined =>
  z.object({ name: z.string() }).safeParse(entry).data?.name
