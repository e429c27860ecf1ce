/** A receiver of traces, as collectors are: OTLP over HTTP, in its JSON form. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { z } from 'zod'

const Value = z
  .looseObject({ stringValue: z.string().optional(), boolValue: z.boolean().optional() })
  .extend({ intValue: z.coerce.number().optional(), doubleValue: z.number().optional() })
  .transform((value) => value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue)
const Attributes = z
  .array(z.object({ key: z.string(), value: Value }))
  .default([])
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, value])))

const Span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().default(''),
  name: z.string(),
  kind: z.number(),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes: Attributes,
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
  events: z.array(z.object({ name: z.string(), attributes: Attributes })).default([]),
  status: z.object({ code: z.number().optional(), message: z.string().optional() }).default({}),
})
export type ReceivedSpan = z.infer<typeof Span> & { resource: z.infer<typeof Attributes> }

const Export = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: Attributes }),
      scopeSpans: z.array(z.object({ spans: z.array(Span) })),
    }),
  ),
})

/** Listens on a free port. `variables` makes a process send to it, soon. */
export const startOtlpReceiver = async () => {
  const spans: ReceivedSpan[] = []
  const texts: string[] = []
  let look = () => {}
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      texts.push(text)
      for (const { resource, scopeSpans } of Export.parse(JSON.parse(text)).resourceSpans)
        for (const scope of scopeSpans)
          spans.push(...scope.spans.map((span) => ({ ...span, resource: resource.attributes })))
      response.setHeader('Content-Type', 'application/json')
      response.end('{}')
      look()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const endpoint = `http://127.0.0.1:${port}`
  return {
    spans,
    /** All that was received, as it came. */
    text: () => texts.join('\n'),
    variables: {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '20',
    },
    /** The first span of which this is true, now or when it comes. */
    async next(is: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan> {
      for (;;) {
        const found = spans.find(is)
        if (found) return found
        await new Promise<void>((resolve) => {
          look = resolve
        })
      }
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
