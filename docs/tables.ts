/** The tables of the documentation that the code knows better than a writer: one for each marked region of a page. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { AGENT_PRESETS, permits, TOOL_PRESETS } from '../src/agent/presets.ts'
import { gitTools } from '../src/agent/tools/git/git-tools.ts'
import { createToolbox } from '../src/agent/tools/registry.ts'
import { createSandbox } from '../src/agent/tools/sandbox.ts'
import { configTable } from '../src/config/describe.ts'
import type { MetricTable } from '../src/metrics/spec.ts'
import {
  API_METRICS,
  FLEET_COUNTERS,
  FLEET_GAUGES,
  FLEET_HISTOGRAMS,
  PROCESS_METRICS,
  WORKER_METRICS,
} from '../src/metrics/table.ts'

/** By the name of the region. */
export const tables = async (): Promise<Record<string, string>> => ({
  configuration: configTable(),
  'agent-presets': table(
    ['agent preset', 'for'],
    AGENT_PRESETS.map(({ name, description }) => [code(name), description]),
  ),
  'tool-presets': table(
    ['tool preset', 'allows'],
    TOOL_PRESETS.map(({ name, description }) => [code(name), description]),
  ),
  tools: await toolTable(),
  'metrics-fleet': metricTable({ ...FLEET_GAUGES, ...FLEET_COUNTERS, ...FLEET_HISTOGRAMS }),
  'metrics-process': metricTable(PROCESS_METRICS),
  'metrics-api': metricTable(API_METRICS),
  'metrics-worker': metricTable(WORKER_METRICS),
  alerts: await alertTable(),
})

const code = (text: string): string => `\`${text}\``

const table = (head: string[], rows: string[][]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const metricTable = (metrics: MetricTable): string =>
  table(
    ['metric', 'type', 'labels', 'meaning'],
    Object.values(metrics).map(({ name, type, labels = [], help }) => [
      code(name),
      type,
      labels.map(code).join(', ') || '–',
      help,
    ]),
  )

const toolTable = async (): Promise<string> => {
  const none = { closedDirs: [], env: {} }
  const sandbox = await createSandbox({ ...none, mode: 'off', network: 'none' })
  const further = gitTools({ ...none, sandbox, flock: '', credentials: {} })
  const toolbox = createToolbox({ ...none, sandbox, further })
  const presets = TOOL_PRESETS.map(({ name }) => name)
  const tools = toolbox.names('full').allowed.map((name) => ({ name, effect: toolbox.effectOf(name) }))
  return table(
    ['tool', 'effect', ...presets.map(code)],
    tools.map((tool) => [
      code(tool.name),
      tool.effect,
      ...presets.map((preset) => (permits(preset, tool) ? 'yes' : '–')),
    ]),
  )
}

const Alert = z.object({
  alert: z.string(),
  labels: z.object({ severity: z.string() }),
  annotations: z.object({ summary: z.string() }),
})
const Recorded = z.object({ record: z.string() })
const Rules = z.object({ groups: z.array(z.object({ rules: z.array(z.union([Alert, Recorded])) })) })

/** Summaries are templates of Prometheus: what it fills in is shown as `…`. */
const alertTable = async (): Promise<string> => {
  const file = await readFile(join(import.meta.dirname, '../grafana/alerts.yml'), 'utf8')
  const rules = Rules.parse(parse(file)).groups.flatMap((group) => group.rules)
  const alerts = rules.filter((rule) => 'alert' in rule)
  return table(
    ['alert', 'severity', 'when'],
    alerts.map(({ alert, labels, annotations }) => [
      code(alert),
      labels.severity,
      annotations.summary.replaceAll(/\{\{.*?\}\}/g, '…'),
    ]),
  )
}
