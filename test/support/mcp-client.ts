import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js'
import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { onTestFinished } from 'vitest'
import { z } from 'zod'

const Text = z.tuple([z.object({ type: z.literal('text'), text: z.string() })])

/** The SDK's own client at this API's `/mcp`; closed when the test ends. */
export const connectMcp = async (
  url: string,
  options: { headers?: Record<string, string>; fetch?: FetchLike } = {},
) => {
  const client = new Client({ name: 'a-test', version: '1.0.0' })
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
    requestInit: { headers: options.headers ?? {} },
    ...(options.fetch && { fetch: options.fetch }),
  })
  await client.connect(transport)
  onTestFinished(() => client.close())
  // From now on the client holds what it is given against the tools' output schemas.
  await client.listTools()

  const call = async (name: string, args: Record<string, unknown> = {}, request: RequestOptions = {}) => {
    const result = CallToolResultSchema.parse(
      await client.callTool({ name, arguments: args }, undefined, request),
    )
    const [{ text }] = Text.parse(result.content)
    return {
      failed: result.isError === true,
      said: JSON.parse(text) as unknown,
      value: result.structuredContent,
    }
  }
  return {
    client,
    call,
    /** What the tool gave; fails on an error. */
    value: async (name: string, args: Record<string, unknown> = {}, request: RequestOptions = {}) => {
      const { failed, said, value } = await call(name, args, request)
      if (failed || value === undefined) throw new Error(`${name} failed: ${JSON.stringify(said)}`)
      return value
    },
  }
}
