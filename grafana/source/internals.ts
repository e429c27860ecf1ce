import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'
import type { MetricSpec } from '../../src/metrics/spec.ts'
import { API_METRICS, FLEET_GAUGES, PROCESS_METRICS, WORKER_METRICS } from '../../src/metrics/table.ts'
import { board } from './board.ts'
import { from, mapped, number, ORANGE, RED, trend } from './panel.ts'
import { fleetGauge, fleetLeast, gauge, quantile, rate, selector } from './promql.ts'

const OF_PROCESS = '{{process}} {{instance}}'
const eachRate = ({ name }: MetricSpec | { name: string }) => `rate(${selector(name)}[$__rate_interval])`
const yes = (good: string, bad: string) => [mapped({ 0: [bad, RED], 1: [good, 'green'] })]
const no = (good: string, bad: string) => [mapped({ 0: [good, 'green'], 1: [bad, RED] })]

/** Redis, event loop, SSE, log. */
export const internalsBoard = (): Dashboard =>
  board({
    uid: 'alex-internals',
    title: 'ALEX: Internals',
    description: 'Redis, the log, streams, HTTP, MCP servers, processes.',
    rows: {
      Redis: [
        number({
          title: 'Does Redis answer?',
          description: 'To every API. While it is away, all that is told of the fleet stands still.',
          unit: 'none',
          queries: { up: fleetLeast(FLEET_GAUGES.redisUp) },
          mappings: yes('yes', 'no'),
          noValue: 'no API answers',
          span: 4,
        }),
        number({
          title: 'Does Redis take writes?',
          description: 'Out of memory, read-only, or its disk is full: reads go on, tasks stand still.',
          unit: 'none',
          queries: { refuses: fleetGauge(FLEET_GAUGES.redisRefuses) },
          mappings: no('yes', 'no'),
          noValue: 'no API answers',
          span: 4,
        }),
        number({
          title: 'Does Redis keep what it holds?',
          description: 'Anything but maxmemory-policy noeviction lets tasks vanish when its memory is full.',
          unit: 'none',
          queries: { evicts: fleetGauge(FLEET_GAUGES.redisEvicts) },
          mappings: no('yes', 'it evicts'),
          noValue: 'no API answers',
          span: 4,
        }),
        number({
          title: 'Does Redis outlive a crash?',
          description: 'With an append-only file (appendonly yes) it comes back with its tasks.',
          unit: 'none',
          queries: { persists: fleetGauge(FLEET_GAUGES.redisPersists) },
          mappings: yes('yes', 'no append-only file'),
          noValue: 'unknown',
          span: 4,
        }),
        number({
          title: 'How full is Redis?',
          description: 'Of maxmemory. At 100 % it refuses writes. Lower retention_days, or give it more.',
          unit: 'percentunit',
          queries: {
            used: `${fleetGauge(FLEET_GAUGES.redisMemory)} / ${fleetGauge(FLEET_GAUGES.redisMemoryLimit)}`,
          },
          thresholds: [from(0.7, ORANGE), from(0.85, RED)],
          noValue: 'no maxmemory',
          span: 4,
        }),
        number({
          title: 'How many sessions are known?',
          description: 'Those that rest in files included.',
          unit: 'none',
          queries: { sessions: fleetGauge(FLEET_GAUGES.sessions) },
          span: 4,
        }),
        trend({
          title: 'How much memory does Redis use?',
          description:
            'With its limit, when it has one. It grows with tasks kept, and falls when they are forgotten.',
          unit: 'bytes',
          queries: {
            used: fleetGauge(FLEET_GAUGES.redisMemory),
            limit: fleetGauge(FLEET_GAUGES.redisMemoryLimit),
          },
          span: 12,
        }),
        trend({
          title: 'How fast does Redis answer?',
          description:
            'The last ping of the API that waited longest. Over 50 ms: Redis, its disk or the network is busy.',
          unit: 's',
          queries: { ping: fleetGauge(FLEET_GAUGES.redisLatency) },
          span: 12,
        }),
      ],
      'The log': [
        trend({
          title: 'How many events are appended?',
          description: 'To session logs, by all workers.',
          unit: 'eps',
          queries: { events: rate(WORKER_METRICS.logEntries) },
          span: 8,
        }),
        trend({
          title: 'How long does an append take?',
          description: 'A round trip of a script; every step of a task waits for one.',
          unit: 's',
          queries: {
            half: quantile(0.5, WORKER_METRICS.logAppendDuration),
            '99 %': quantile(0.99, WORKER_METRICS.logAppendDuration),
          },
          span: 8,
        }),
        trend({
          title: 'Are writes refused?',
          description:
            'refused: the task had gone to another worker, as after a pause of this one. unavailable: Redis was away, tried again. By itself it harms nothing; much of it means that workers stall.',
          unit: 'cps',
          queries: {
            '{{outcome}} appends': rate(WORKER_METRICS.logAppends, {
              by: ['outcome'],
              where: 'outcome!="ok"',
            }),
            'refused {{write}}': rate(WORKER_METRICS.refusedWrites, { by: ['write'] }),
          },
          span: 8,
        }),
      ],
      'Streams and HTTP': [
        trend({
          title: 'How many streams are open?',
          description: 'Event streams, by API.',
          unit: 'none',
          queries: { '{{instance}}': gauge(API_METRICS.sseConnections, { by: ['instance'] }) },
          stacked: true,
          span: 8,
        }),
        trend({
          title: 'How many events are sent?',
          description:
            'To all streams. Durable ones have an id and are resumed; ephemeral ones are pieces of text.',
          unit: 'eps',
          queries: { '{{kind}}': rate(API_METRICS.sseEventsSent, { by: ['kind'] }) },
          span: 8,
        }),
        trend({
          title: 'Are readers too slow?',
          description:
            'Streams ended because their reader did not keep up; it resumes by id and misses nothing.',
          unit: 'cps',
          queries: { disconnects: rate(API_METRICS.sseSlowReaders) },
          span: 8,
        }),
        trend({
          title: 'What is asked of the API?',
          description: 'Requests by route, those to workers for health and metrics included.',
          unit: 'reqps',
          queries: {
            '{{method}} {{route}}': rate(PROCESS_METRICS.httpRequests, { by: ['method', 'route'] }),
          },
          span: 8,
        }),
        trend({
          title: 'What does the API refuse?',
          description:
            '4xx: the caller is wrong. 503: Redis is away. Other 5xx: a fault, the log has it by request id.',
          unit: 'reqps',
          queries: {
            '{{status}} {{method}} {{route}}': rate(PROCESS_METRICS.httpRequests, {
              by: ['status', 'method', 'route'],
              where: 'status=~"4..|5.."',
            }),
          },
          span: 8,
        }),
        trend({
          title: 'How fast does the API answer?',
          description:
            '95 of 100 were faster. Long polls (wait_s) count with their wait, streams up to their headers.',
          unit: 's',
          queries: {
            '{{method}} {{route}}': quantile(0.95, PROCESS_METRICS.httpDuration, { by: ['method', 'route'] }),
          },
          span: 8,
        }),
      ],
      'MCP servers': [
        trend({
          title: 'Are the MCP servers connected?',
          description: 'Over all workers: each has its own. GET /health names those that are not, and why.',
          unit: 'none',
          queries: { '{{state}}': gauge(WORKER_METRICS.mcpServers, { by: ['state'] }) },
          stacked: true,
          span: 12,
        }),
        trend({
          title: 'Which MCP server starts again and again?',
          description:
            'Attempts to initialise one, and times it was lost after it had been connected, a second.',
          unit: 'cps',
          queries: {
            '{{server}} attempts': rate(WORKER_METRICS.mcpStarts, { by: ['server'] }),
            '{{server}} restarts': rate(WORKER_METRICS.mcpRestarts, { by: ['server'] }),
          },
          span: 12,
        }),
      ],
      Processes: [
        trend({
          title: 'Do event loops lag?',
          description: '99 of 100 turns were faster. Over a second a worker can lose its leases.',
          unit: 's',
          queries: { [OF_PROCESS]: selector('alex_nodejs_eventloop_lag_p99_seconds') },
          span: 12,
        }),
        trend({
          title: 'How busy are the processors?',
          description:
            'Processor seconds a second, of each process; 1 is a whole core. Commands of tasks are not in it.',
          unit: 'none',
          queries: { [OF_PROCESS]: eachRate({ name: 'alex_process_cpu_seconds_total' }) },
          span: 12,
        }),
        trend({
          title: 'How much memory do processes hold?',
          description: 'Resident. One that only grows leaks: restart it, and say so with its version.',
          unit: 'bytes',
          queries: { [OF_PROCESS]: selector('alex_process_resident_memory_bytes') },
          span: 12,
        }),
        trend({
          title: 'How many files are open?',
          description: 'Sockets included, of each process.',
          unit: 'none',
          queries: { [OF_PROCESS]: selector('alex_process_open_fds') },
          span: 12,
        }),
      ],
    },
  })
