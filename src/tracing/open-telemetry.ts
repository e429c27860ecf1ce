/** Tracing by OpenTelemetry's SDK. Loaded only when tracing is on. */
import { setTimeout as pause } from 'node:timers/promises'
import {
  type AttributeValue,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type TimeInput,
  trace,
} from '@opentelemetry/api'
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ConsoleSpanExporter,
  ParentBasedSampler,
  type Sampler,
  SimpleSpanProcessor,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Span, SpanAttributes, TraceContext, Tracing, TracingOptions } from '../tracing.ts'
import type { ExporterKind, TracingSettings } from './settings.ts'

/** What a process that leaves may spend on its last spans. */
const CLOSE_MS = 1500

const KINDS = { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT, server: SpanKind.SERVER }

export const startOpenTelemetry = (
  settings: TracingSettings,
  { service, version, instance, redact, log }: Omit<TracingOptions, 'environment'>,
): Tracing => {
  const { batch, limits } = settings
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(
        resourceFromAttributes({
          'service.name': service,
          'service.version': version,
          'service.instance.id': instance,
        }),
      )
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(settings.sampler),
    spanLimits: limits,
    spanProcessors: settings.exporters.map((kind) =>
      kind === 'console'
        ? new SimpleSpanProcessor({ exporter: new ConsoleSpanExporter() })
        : new BatchSpanProcessor({ ...batch, exporter: toldOnce(exporterOf(kind), log) }),
    ),
  })
  const tracer = provider.getTracer('alex', version)
  const propagator = new W3CTraceContextPropagator()
  const placeOf = (context: TraceContext) => propagator.extract(ROOT_CONTEXT, context, defaultTextMapGetter)
  const masked = (attributes: SpanAttributes): Record<string, AttributeValue> =>
    Object.fromEntries(
      Object.entries(attributes).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, typeof value === 'string' ? redact(value) : value]],
      ),
    )
  log.info({ exporters: settings.exporters, sampler: settings.sampler.name }, '[DI] tracing is on')

  return {
    on: true,
    content: settings.content,
    start(name, { kind = 'internal', parent, links = [], attributes = {}, startedAt } = {}): Span {
      const span = tracer.startSpan(
        redact(name),
        {
          kind: KINDS[kind],
          attributes: masked(attributes),
          links: links.flatMap((link) => {
            const context = trace.getSpanContext(placeOf(link))
            return context === undefined ? [] : [{ context }]
          }),
          ...(startedAt === undefined ? {} : { startTime: startedAt as TimeInput }),
        },
        parent === undefined ? ROOT_CONTEXT : placeOf(parent),
      )
      const headers: Partial<TraceContext> = {}
      propagator.inject(trace.setSpan(ROOT_CONTEXT, span), headers, defaultTextMapSetter)
      const { traceparent } = headers
      const { traceId, spanId } = span.spanContext()
      return {
        context: traceparent === undefined ? undefined : { ...headers, traceparent },
        ids: { trace_id: traceId, span_id: spanId },
        name: (better) => void span.updateName(redact(better)),
        set: (more) => void span.setAttributes(masked(more)),
        event: (what, more = {}) => void span.addEvent(what, masked(more)),
        fail(type, message) {
          span.setAttribute('error.type', type)
          span.setStatus({
            code: SpanStatusCode.ERROR,
            ...(message === undefined ? {} : { message: redact(message) }),
          })
        },
        end() {
          if (span.isRecording()) span.end()
        },
      }
    },
    async close() {
      const closed = provider.shutdown().catch(() => {})
      await Promise.race([closed, pause(CLOSE_MS, undefined, { ref: false })])
    },
  }
}

const exporterOf = (kind: Exclude<ExporterKind, 'console'>): SpanExporter =>
  kind === 'otlp-json' ? new JsonExporter() : new ProtobufExporter()

/** Spans that cannot be delivered are dropped; one line tells of it, and one when they can be again. */
const toldOnce = (exporter: SpanExporter, log: Log): SpanExporter => {
  let failing = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.code !== ExportResultCode.SUCCESS
        if (failed && !failing)
          log.warn(
            { err: messageOf(result.error) },
            '[DI] traces cannot be delivered; they are dropped meanwhile',
          )
        if (!failed && failing) log.info({}, '[DI] traces are delivered again')
        failing = failed
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}

const samplerOf = ({ name, ratio }: TracingSettings['sampler']): Sampler => {
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler()
    case 'always_off':
      return new AlwaysOffSampler()
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio)
    case 'parentbased_always_on':
      return new ParentBasedSampler({ root: new AlwaysOnSampler() })
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() })
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) })
  }
}
