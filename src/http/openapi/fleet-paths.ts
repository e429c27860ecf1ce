import { z } from 'zod'
import { Health, Probe, TargetGroup, WorkerInfo } from '../../schemas/health.ts'
import { Presets } from '../../schemas/preset.ts'
import { json, type Paths, problems } from './parts.ts'

/** Asked without a token. */
const security: Record<string, never>[] = [{}]

const fleet: Paths = {
  '/api/workers': {
    get: {
      operationId: 'listWorkers',
      tags: ['Fleet'],
      summary: 'The workers that are alive, as their heartbeats tell',
      responses: { 200: json('The workers', z.array(WorkerInfo)), ...problems() },
    },
  },
  '/api/presets': {
    get: {
      operationId: 'listPresets',
      tags: ['Fleet'],
      summary: 'Agent and tool presets, and what each allows',
      responses: { 200: json('The presets', Presets), ...problems() },
    },
  },
  '/mcp': {
    post: {
      operationId: 'mcp',
      tags: ['Fleet'],
      summary: 'ALEX as an MCP server (Streamable HTTP, without sessions)',
      description:
        'For MCP clients: `submit_task`, `wait_for_task`, `get_task`, `list_tasks`, `cancel_task`. The protocol is described at https://modelcontextprotocol.io.',
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: z.looseObject({ jsonrpc: z.literal('2.0'), method: z.string() }),
            examples: {
              tools: {
                summary: 'What it offers',
                value: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
              },
            },
          },
        },
      },
      requestParams: {
        header: z.object({
          Accept: z.string().meta({ example: 'application/json, text/event-stream' }),
        }),
      },
      responses: {
        200: {
          description: 'A JSON-RPC message, or a stream of them',
          content: { 'text/event-stream': { schema: z.looseObject({ jsonrpc: z.literal('2.0') }) } },
        },
        202: { description: 'A notification was taken' },
        ...problems(),
      },
    },
  },
}

const health: Paths = {
  '/health': {
    get: {
      operationId: 'health',
      tags: ['Operations'],
      summary: 'How the fleet does, from memory',
      security,
      responses: {
        200: json('`healthy`, or `degraded`: tasks can run', Health),
        503: json('`unhealthy`: the store is away or no worker is alive', Health),
        ...problems(),
      },
    },
  },
  '/health/live': {
    get: {
      operationId: 'live',
      tags: ['Operations'],
      summary: 'Whether this process answers',
      security,
      responses: { 200: json('It does', Probe, { example: { status: 'live' } }), ...problems() },
    },
  },
  '/health/ready': {
    get: {
      operationId: 'ready',
      tags: ['Operations'],
      summary: 'Whether this process takes tasks that run now',
      security,
      responses: {
        200: json('It does', Probe, { example: { status: 'ready' } }),
        ...problems({ 503: '`not_ready`: the detail says why' }),
      },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      tags: ['Operations'],
      summary: 'Numbers for Prometheus',
      responses: {
        200: { description: 'Prometheus text format', content: { 'text/plain': { schema: z.string() } } },
        ...problems(),
      },
    },
  },
  '/metrics/targets': {
    get: {
      operationId: 'metricsTargets',
      tags: ['Operations'],
      summary: 'Every API and worker, for Prometheus’ HTTP service discovery',
      responses: { 200: json('Whom to ask', z.array(TargetGroup)), ...problems() },
    },
  },
}

export const fleetPaths: Paths = { ...fleet, ...health }
