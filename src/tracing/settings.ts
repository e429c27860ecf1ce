/** What OpenTelemetry's variables ask for, as its specification defines them. The exporter itself reads its own. */

export type ExporterKind = 'otlp-protobuf' | 'otlp-json' | 'console'

export interface TracingSettings {
  /** At least one. */
  exporters: ExporterKind[]
  sampler: { name: SamplerName; ratio: number }
  batch: {
    scheduledDelayMillis: number
    exportTimeoutMillis: number
    maxQueueSize: number
    maxExportBatchSize: number
  }
  limits: {
    attributeValueLengthLimit: number
    attributeCountLimit: number
    eventCountLimit: number
    linkCountLimit: number
  }
  /** Of the GenAI conventions: prompts, answers, arguments and results may be told. */
  content: boolean
}

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const
export type SamplerName = (typeof SAMPLERS)[number]

type Environment = Readonly<Record<string, string | undefined>>

/** Text longer than this is cut, unless a limit is set. */
const LONGEST_VALUE = 16_384

/** Null unless an exporter or an OTLP endpoint is named: a service name alone asks for nothing. */
export const tracingSettings = (
  environment: Environment,
): { settings: TracingSettings | null; problems: string[] } => {
  const problems: string[] = []
  const text = (name: string) => environment[name]?.trim() || undefined
  const isTrue = (name: string) => text(name)?.toLowerCase() === 'true'
  const number = (name: string, fallback: number, most = Number.MAX_SAFE_INTEGER): number => {
    const given = text(name)
    if (given === undefined) return fallback
    const value = Number(given)
    if (value >= 0 && value <= most) return value
    problems.push(`${name} cannot be ${given}; ${fallback} is used`)
    return fallback
  }
  const exporters = isTrue('OTEL_SDK_DISABLED') ? [] : exportersOf(text, problems)
  if (exporters.length === 0) return { settings: null, problems }

  const asked = text('OTEL_TRACES_SAMPLER')?.toLowerCase() ?? 'parentbased_always_on'
  const sampler = SAMPLERS.find((name) => name === asked)
  if (sampler === undefined) problems.push(`OTEL_TRACES_SAMPLER ${asked} is not known here; all is sampled`)
  const maxQueueSize = number('OTEL_BSP_MAX_QUEUE_SIZE', 2048)
  const longest = number('OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT', LONGEST_VALUE)
  const settings: TracingSettings = {
    exporters,
    sampler: {
      name: sampler ?? 'parentbased_always_on',
      ratio: number('OTEL_TRACES_SAMPLER_ARG', 1, 1),
    },
    batch: {
      scheduledDelayMillis: number('OTEL_BSP_SCHEDULE_DELAY', 5000),
      exportTimeoutMillis: number('OTEL_BSP_EXPORT_TIMEOUT', 30_000),
      maxQueueSize,
      maxExportBatchSize: Math.min(maxQueueSize, number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512)),
    },
    limits: {
      attributeValueLengthLimit: number('OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', longest),
      attributeCountLimit: number(
        'OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT',
        number('OTEL_ATTRIBUTE_COUNT_LIMIT', 128),
      ),
      eventCountLimit: number('OTEL_SPAN_EVENT_COUNT_LIMIT', 128),
      linkCountLimit: number('OTEL_SPAN_LINK_COUNT_LIMIT', 128),
    },
    content: isTrue('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT'),
  }
  return { settings, problems }
}

type Text = (name: string) => string | undefined

const exportersOf = (text: Text, problems: string[]): ExporterKind[] => {
  const endpoint = text('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ?? text('OTEL_EXPORTER_OTLP_ENDPOINT')
  const asked = text('OTEL_TRACES_EXPORTER') ?? (endpoint === undefined ? 'none' : 'otlp')
  const names = new Set(asked.toLowerCase().split(/[\s,]+/))
  return [...names].flatMap((name): ExporterKind[] => {
    if (name === 'none' || name === '') return []
    if (name === 'console') return ['console']
    if (name === 'otlp') return otlpOf(text, problems)
    problems.push(`OTEL_TRACES_EXPORTER ${name} is not known here: otlp, console or none`)
    return []
  })
}

const otlpOf = (text: Text, problems: string[]): ExporterKind[] => {
  const protocol = text('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ?? text('OTEL_EXPORTER_OTLP_PROTOCOL')
  if (protocol === undefined || protocol === 'http/protobuf') return ['otlp-protobuf']
  if (protocol === 'http/json') return ['otlp-json']
  problems.push(`OTEL_EXPORTER_OTLP_PROTOCOL ${protocol} is not spoken here: http/protobuf or http/json`)
  return []
}
