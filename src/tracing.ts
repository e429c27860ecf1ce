/**
 * Spans of what ALEX does, for OpenTelemetry. Off unless its own variables (`OTEL_*`) ask for it, and then nothing
 * of it is loaded. Contexts are W3C headers, so that a task's record can carry them from process to process.
 */
import type { Log } from './log.ts'
import { tracingSettings } from './tracing/settings.ts'

export interface TraceContext {
  traceparent: string
  tracestate?: string
}

export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>

export interface SpanOptions {
  kind?: 'internal' | 'client' | 'server'
  /** One that is no valid context is as none: the span begins a trace. */
  parent?: TraceContext | undefined
  links?: readonly TraceContext[]
  attributes?: SpanAttributes
  /** Milliseconds since the epoch; absent: now. */
  startedAt?: number
}

export interface Span {
  /** For spans below this one, in whatever process. Undefined when tracing is off. */
  context: TraceContext | undefined
  /** For log lines that belong to it; empty when tracing is off. */
  ids: { trace_id?: string; span_id?: string }
  name: (name: string) => void
  set: (attributes: SpanAttributes) => void
  event: (name: string, attributes?: SpanAttributes) => void
  /** `type`: a stable word. */
  fail: (type: string, message?: string) => void
  /** A second time does nothing. */
  end: () => void
}

/** Nothing here throws, and nothing waits for whoever receives the spans. */
export interface Tracing {
  on: boolean
  /** Whether prompts, answers, arguments and results may be told. */
  content: boolean
  start: (name: string, options?: SpanOptions) => Span
  /** Sends what has ended; gives up after a while. */
  close: () => Promise<void>
}

const NO_SPAN: Span = { context: undefined, ids: {}, name() {}, set() {}, event() {}, fail() {}, end() {} }

export const NO_TRACING: Tracing = {
  on: false,
  content: false,
  start: () => NO_SPAN,
  close: async () => {},
}

export interface TracingOptions {
  /** The variables `OTEL_*`. */
  environment: Readonly<Record<string, string | undefined>>
  /** Used where `OTEL_SERVICE_NAME` is not set. */
  service: string
  version: string
  /** Tells this process from others of its kind. */
  instance: string
  /** Masks secrets in everything a span says. */
  redact: (text: string) => string
  log: Log
}

/** What cannot be done as asked is told in the log once; it never keeps a process from starting. */
export const startTracing = async (options: TracingOptions): Promise<Tracing> => {
  const { settings, problems } = tracingSettings(options.environment)
  for (const problem of problems) options.log.warn({}, `[DI] tracing: ${problem}`)
  if (settings === null) return NO_TRACING
  const { startOpenTelemetry } = await import('./tracing/open-telemetry.ts')
  return startOpenTelemetry(settings, options)
}
