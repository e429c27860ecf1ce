import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { Emitter } from '../src/agent/agent.ts'
import type { Log } from '../src/log.ts'
import { createRedactor } from '../src/redact.ts'
import type { LogEvent } from '../src/schemas/event.ts'
import { TaskRecord } from '../src/tasks/record.ts'
import { tracingSettings } from '../src/tracing/settings.ts'
import { NO_TRACING, startTracing } from '../src/tracing.ts'
import { createTraceTask } from '../workers/trace-task.ts'
import { startOtlpReceiver } from './support/otlp.ts'
import { quietLog } from './support/redis.ts'

const KEY = 'sk-Q1w2e3r4t5y6u7i8o9p0'

/** The libraries look at the environment themselves. */
const start = async (variables: Record<string, string>, log: Log = quietLog) => {
  for (const [name, value] of Object.entries(variables)) process.env[name] = value
  onTestFinished(() => {
    for (const name of Object.keys(variables)) delete process.env[name]
  })
  const tracing = await startTracing({
    environment: variables,
    service: 'alex-test',
    version: 'test',
    instance: 'one',
    redact: createRedactor([KEY]),
    log,
  })
  onTestFinished(() => tracing.close())
  return tracing
}

const record = (fields: Record<string, string> = {}) =>
  TaskRecord.parse({
    id: 'task-1',
    session_id: 'session-1',
    head: `say it with ${KEY}`,
    status: 'running',
    agent_preset: 'default',
    tool_preset: 'full',
    model: 'm',
    priority: '5',
    max_iterations: '10',
    timeout_s: '60',
    created_at: '0',
    attempt: '1',
    ...fields,
  })

const EMITTER: Emitter = { emit: () => {}, commit: async () => {}, ephemeral: () => {} }
const USAGE = { input_tokens: 7, output_tokens: 2, cached_tokens: 3 }
const CALL = { call: '1.1', iteration: 1, model: 'm' }
const TOOL = { call_id: '1.1', tool_name: 'bash' }

const EVENTS: LogEvent[] = [
  { event_type: 'iteration_start', iteration: 1, max_iterations: 10 },
  { event_type: 'model_call_start', ...CALL, estimated_input_tokens: 7, max_tokens: 9 },
  { event_type: 'model_call_end', ...CALL, outcome: 'refused' },
  { event_type: 'error', phase: 'model', code: 'rate_limited', message: 'slow down', recoverable: true },
  { event_type: 'model_call_start', ...CALL, call: '1.2', estimated_input_tokens: 7, max_tokens: 9 },
  {
    event_type: 'think_complete',
    ...CALL,
    call: '1.2',
    content: 'words',
    tool_calls: [{ ...TOOL, arguments: `{"command":"echo ${KEY}"}` }],
    usage: USAGE,
    duration: 1,
  },
  { event_type: 'tool_call_start', iteration: 1, ...TOOL, arguments: { command: KEY }, effect: 'write' },
  { event_type: 'tool_call_complete', ...TOOL, result: `said ${KEY}`, error: 'exit code 1', duration: 1 },
  { event_type: 'iteration_complete', iteration: 1, tokens_used: 9, tools_run: 1 },
]

/** An activation that met all these events and answered. */
const activation = async (variables: Record<string, string>) => {
  const tracing = await start(variables)
  const trace = createTraceTask({ tracing, provider: { name: 'openai', address: 'models.test' } })(
    record(),
    'worker-1',
  )
  trace.watch(EMITTER).emit(...EVENTS)
  const totals = { total_iterations: 1, total_tokens: 9 }
  trace.conclude({ kind: 'answered', answer: 'the end', stop_reason: 'final_answer', ...totals }, null)
  trace.end()
  await tracing.close()
}

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

const receiving = async () => {
  const receiver = await startOtlpReceiver()
  onTestFinished(() => receiver[Symbol.asyncDispose]())
  return receiver
}

test('nothing is traced unless an exporter or an endpoint is named', async () => {
  expect(await start({})).toBe(NO_TRACING)
  expect(await start({ OTEL_SERVICE_NAME: 'alex' })).toBe(NO_TRACING)
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }
  expect(await start({ ...endpoint, OTEL_SDK_DISABLED: 'true' })).toBe(NO_TRACING)
  expect(await start({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' })).toBe(NO_TRACING)
  expect(NO_TRACING.start('anything').context).toBeUndefined()
})

test('the standard variables choose exporter, protocol and sampler; what is not known is told', () => {
  const asked = (environment: Record<string, string>) => tracingSettings(environment)
  expect(asked({ OTEL_TRACES_EXPORTER: 'otlp' }).settings?.exporters).toEqual(['otlp-protobuf'])
  expect(asked({ OTEL_TRACES_EXPORTER: 'otlp, console' }).settings?.exporters).toHaveLength(2)
  expect(
    asked({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector.test/v1/traces',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
      OTEL_BSP_MAX_QUEUE_SIZE: '100',
    }),
  ).toMatchObject({
    settings: {
      exporters: ['otlp-json'],
      sampler: { name: 'parentbased_traceidratio', ratio: 0.25 },
      batch: { maxQueueSize: 100, maxExportBatchSize: 100 },
    },
    problems: [],
  })
  const odd = asked({
    OTEL_TRACES_EXPORTER: 'zipkin,console',
    OTEL_TRACES_SAMPLER: 'xray',
    OTEL_TRACES_SAMPLER_ARG: '2',
  })
  expect(odd.settings?.sampler).toEqual({ name: 'parentbased_always_on', ratio: 1 })
  expect(odd.problems).toHaveLength(3)
  const grpc = asked({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c.test', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })
  expect(grpc).toEqual({ settings: null, problems: [expect.stringContaining('grpc is not spoken')] })
})

test('spans say who did what and how it went, but not what was said', async () => {
  const receiver = await receiving()
  await activation(receiver.variables)
  const of = (name: string) => receiver.spans.filter((span) => span.name === name)
  expect(of('chat m')).toMatchObject([
    { attributes: { 'error.type': 'refused' }, status: { code: 2 } },
    {
      kind: 3,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.usage.input_tokens': 7,
        'gen_ai.usage.output_tokens': 2,
        'gen_ai.usage.cache_read.input_tokens': 3,
        'server.address': 'models.test',
      },
    },
  ])
  expect(of('execute_tool bash')).toMatchObject([
    { attributes: { 'gen_ai.tool.call.id': '1.1', 'alex.effect': 'write', 'error.type': 'tool_error' } },
  ])
  expect(of('iteration 1')[0]?.events).toMatchObject([{ attributes: { 'error.type': 'rate_limited' } }])
  expect(of('invoke_agent default')[0]).toMatchObject({
    parentSpanId: '',
    resource: { 'service.name': 'alex-test', 'service.instance.id': 'one' },
    attributes: { 'alex.outcome': 'answered', 'alex.stop_reason': 'final_answer' },
  })
  expect(receiver.text()).not.toMatch(/words|said|echo|the end|say it|sk-Q1/)
})

test('with message content asked for, spans say what was said, secrets masked', async () => {
  const receiver = await receiving()
  await activation({
    ...receiver.variables,
    OTEL_SERVICE_NAME: 'night-shift',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true',
  })
  const attributes = Object.assign({}, ...receiver.spans.map((span) => span.attributes)) as object
  expect(attributes).toMatchObject({
    'gen_ai.input.messages': expect.stringContaining('say it with [redacted]'),
    'gen_ai.tool.call.arguments': '{"command":"[redacted]"}',
    'gen_ai.tool.call.result': 'said [redacted]',
  })
  expect(receiver.text()).toMatch(/words.*the end|the end.*words/s)
  expect(receiver.text()).not.toContain(KEY)
  expect(receiver.spans[0]?.resource).toMatchObject({
    'service.name': 'night-shift',
    'deployment.environment.name': 'test',
  })
})

test('spans go out as protobuf, to the path for traces, with the headers asked for', async () => {
  const asked: { path: string | undefined; type: string | undefined; key: unknown; bytes: number }[] = []
  const collector = createHttpServer((request, response) => {
    let bytes = 0
    request.on('data', (chunk: Buffer) => (bytes += chunk.length))
    request.on('end', () => {
      const { url: path, headers } = request
      asked.push({ path, type: headers['content-type'], key: headers['x-key'], bytes })
      response.end()
    })
  }).listen(0, '127.0.0.1')
  await once(collector, 'listening')
  onTestFinished(() => void collector.close())
  const tracing = await start({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${portOf(collector)}`,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=open',
  })
  tracing.start('one').end()
  await tracing.close()
  expect(asked).toMatchObject([{ path: '/v1/traces', type: 'application/x-protobuf', key: 'open' }])
  expect(asked[0]?.bytes).toBeGreaterThan(100)
})

test("a caller's decision not to sample holds for the whole task", async () => {
  const receiver = await receiving()
  const tracing = await start(receiver.variables)
  const caller = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' }
  const span = tracing.start('request', { parent: caller })
  expect(span.context?.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-\w{16}-00$/)
  span.end()
  tracing.start('unrelated', { parent: { traceparent: 'nonsense' } }).end()
  await tracing.close()
  expect(receiver.spans.map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual([['unrelated', '']])
})

test('a collector that is away or never answers holds nobody up and is told of once', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  onTestFinished(() => void silent.close())
  const told: string[] = []
  const tracing = await start(
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${portOf(silent)}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '30',
      OTEL_BSP_SCHEDULE_DELAY: '1',
    },
    { ...quietLog, warn: (_, message) => void told.push(message) },
  )
  for (let i = 0; i < 5; i += 1) {
    tracing.start('lost').end()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const began = performance.now()
  tracing.start('last').end()
  await tracing.close()
  expect(performance.now() - began).toBeLessThan(5000)
  expect(told).toEqual([expect.stringContaining('traces cannot be delivered')])
})
