import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'
import {
  FLEET_COUNTERS,
  FLEET_GAUGES,
  FLEET_HISTOGRAMS,
  PROCESS_METRICS,
  WORKER_METRICS,
} from '../../src/metrics/table.ts'
import { board } from './board.ts'
import { from, list, mapped, number, ORANGE, RED, timeline, trend } from './panel.ts'
import { fleetGauge, fleetIncrease, fleetQuantile, fleetRate, selector, share } from './promql.ts'

const healthIs = (status: string) => fleetGauge(FLEET_GAUGES.health, { where: `status="${status}"` })
const failed = { where: 'status="failed"' }

/** The first screen: is it up, who works, how long do tasks wait. */
export const fleetBoard = (): Dashboard =>
  board({
    uid: 'alex-fleet',
    title: 'ALEX: Fleet',
    description: 'Is it up, who works, how long do tasks wait?',
    rows: {
      'Is it up?': [
        number({
          title: 'Is ALEX healthy?',
          description:
            'What GET /health says. Degraded: tasks run, but something is missing, see the components below. Unhealthy: Redis is away or no worker lives, nothing runs.',
          unit: 'none',
          queries: { health: `clamp_max(${healthIs('degraded')} + 2 * ${healthIs('unhealthy')}, 2)` },
          mappings: [mapped({ 0: ['healthy', 'green'], 1: ['degraded', ORANGE], 2: ['unhealthy', RED] })],
          noValue: 'no API answers',
          span: 4,
        }),
        number({
          title: 'How many workers live?',
          description: 'Workers that beat. With 0 tasks are accepted and wait.',
          unit: 'none',
          queries: { workers: fleetGauge(FLEET_GAUGES.workers) },
          thresholds: [from(0, RED), from(1, 'green')],
          span: 4,
        }),
        number({
          title: 'How many slots are free?',
          description:
            'Of all workers. At 0 new tasks wait until one ends: start workers, or cancel what may go.',
          unit: 'none',
          queries: { free: fleetGauge(FLEET_GAUGES.slots, { where: 'state="free"' }) },
          thresholds: [from(0, ORANGE), from(1, 'green')],
          span: 4,
        }),
        number({
          title: 'How long has a ready task waited?',
          description:
            'The one that waits longest though only a free slot is missing. Long with free slots: workers take nothing. Long without: too few workers.',
          unit: 's',
          queries: { oldest: fleetGauge(FLEET_GAUGES.queueOldest) },
          thresholds: [from(30, ORANGE), from(300, RED)],
          more: 'alex-tasks',
          span: 4,
        }),
        number({
          title: 'How many tasks wait for a slot?',
          description:
            'Tasks that could run at once. Those whose turn or time has not come are not among them.',
          unit: 'none',
          queries: { ready: fleetGauge(FLEET_GAUGES.queueDepth, { where: 'state="ready"' }) },
          more: 'alex-tasks',
          span: 4,
        }),
        number({
          title: 'What share of tasks failed?',
          description: 'Of those that ended in the last hour; cancelled ones count as ended, not as failed.',
          unit: 'percentunit',
          queries: {
            failed: share(
              fleetIncrease(FLEET_COUNTERS.finished, '1h', failed),
              fleetIncrease(FLEET_COUNTERS.finished, '1h'),
            ),
          },
          thresholds: [from(0.05, ORANGE), from(0.2, RED)],
          noValue: 'none ended',
          more: 'alex-tasks',
          span: 4,
        }),
        list({
          title: 'Which alerts are up?',
          description:
            'Pending ones become firing when they last. What to do is in the annotation `runbook` of each.',
          unit: 'none',
          queries: {
            alerts: 'max by (alertname, severity, alertstate) (ALERTS{alertname=~"Alex.*", job=~"$job|"})',
          },
          columns: { alertname: 'Alert', severity: 'Severity', alertstate: 'State' },
          noValue: 'none',
          span: 12,
        }),
        timeline({
          title: 'Which component is not ready?',
          description: 'As GET /health has it, where the reason is told in words.',
          unit: 'none',
          queries: {
            '{{component}}': fleetGauge(FLEET_GAUGES.component, {
              by: ['component'],
              where: 'status="not_ready"',
            }),
          },
          good: 'ready or disabled',
          bad: 'not ready',
          more: 'alex-internals',
          span: 12,
        }),
      ],
      'How long do tasks wait?': [
        trend({
          title: 'How long did tasks wait for a worker?',
          description: 'From when a task could run until a worker took it, of those taken at that time.',
          unit: 's',
          queries: {
            half: fleetQuantile(0.5, FLEET_HISTOGRAMS.queueWait),
            '95 %': fleetQuantile(0.95, FLEET_HISTOGRAMS.queueWait),
          },
          more: 'alex-tasks',
          span: 8,
        }),
        trend({
          title: 'Does the queue grow?',
          description:
            'Pending tasks. Ready: only a slot is missing. Held: an earlier task of the session runs, or the time has not come; more workers do not help those.',
          unit: 'none',
          queries: { '{{state}}': fleetGauge(FLEET_GAUGES.queueDepth, { by: ['state'] }) },
          stacked: true,
          span: 8,
        }),
        trend({
          title: 'Do as many tasks end as come?',
          description:
            'Made, begun by a worker, ended; subtasks included. While more are made than end, tasks pile up.',
          unit: 'cps',
          queries: {
            made: fleetRate(FLEET_COUNTERS.created),
            begun: fleetRate(FLEET_COUNTERS.started),
            ended: fleetRate(FLEET_COUNTERS.finished),
          },
          more: 'alex-tasks',
          span: 8,
        }),
      ],
      'Who works?': [
        trend({
          title: 'Are the slots used?',
          description: 'Slots of all workers that live.',
          unit: 'none',
          queries: { '{{state}}': fleetGauge(FLEET_GAUGES.slots, { by: ['state'] }) },
          stacked: true,
          span: 8,
        }),
        trend({
          title: 'Which worker runs how many tasks?',
          description: 'Slots used of each worker. One that stays at 0 while others are full takes nothing.',
          unit: 'none',
          queries: { '{{instance}}': selector(WORKER_METRICS.slots.name, { where: 'state="used"' }) },
          span: 8,
        }),
        trend({
          title: 'Were workers lost?',
          description:
            'In 5 minutes each: workers that went without a farewell (killed, out of memory, cut off), and tasks that another one went on with. `drained` is a worker that left well, `woken` a task that had waited.',
          unit: 'none',
          queries: {
            'workers lost': fleetIncrease(FLEET_COUNTERS.workersLost, '5m'),
            'tasks: {{reason}}': fleetIncrease(FLEET_COUNTERS.resumed, '5m', { by: ['reason'] }),
          },
          more: 'alex-tasks',
          span: 8,
        }),
        list({
          title: 'Which processes are there, of which version?',
          description:
            'APIs and workers that Prometheus reaches. Two versions side by side: an upgrade is under way.',
          unit: 'none',
          queries: { processes: selector(PROCESS_METRICS.buildInfo.name) },
          columns: { process: 'Process', instance: 'Address', version: 'Version' },
          noValue: 'Prometheus reaches none',
          more: 'alex-internals',
          span: 12,
        }),
        trend({
          title: 'How many processes does Prometheus reach?',
          description:
            'Asked for numbers and answered, or not. Who is not reached is missing from every sum here.',
          unit: 'none',
          queries: {
            '{{process}} reached': `sum by (process) (${selector('up')})`,
            '{{process}} not reached': `sum by (process) (1 - ${selector('up')})`,
          },
          span: 12,
        }),
      ],
    },
  })
