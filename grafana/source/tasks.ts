import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'
import { FLEET_COUNTERS, FLEET_GAUGES, FLEET_HISTOGRAMS, WORKER_METRICS } from '../../src/metrics/table.ts'
import { board } from './board.ts'
import { from, number, ORANGE, RED, trend } from './panel.ts'
import { fleetGauge, fleetIncrease, fleetQuantile, fleetRate, quantile, rate, share } from './promql.ts'

const now = (status: string) => fleetGauge(FLEET_GAUGES.tasks, { where: `status="${status}"` })
const { finished } = FLEET_COUNTERS

/** Rates, durations, outcomes, cancels. */
export const tasksBoard = (): Dashboard =>
  board({
    uid: 'alex-tasks',
    title: 'ALEX: Tasks',
    description: 'How many tasks come, how long they take, how they end, what they do.',
    rows: {
      'What is there now?': [
        number({
          title: 'How many tasks run?',
          description: 'Each holds a slot of a worker.',
          unit: 'none',
          queries: { running: now('running') },
          span: 4,
        }),
        number({
          title: 'How many tasks wait for something else?',
          description: 'For their subtasks, a person or a time; they hold no slot.',
          unit: 'none',
          queries: { waiting: now('waiting') },
          span: 4,
        }),
        number({
          title: 'How many tasks are pending?',
          description: 'For a slot, for their turn in their session, or for their time.',
          unit: 'none',
          queries: { pending: now('pending') },
          span: 4,
        }),
        number({
          title: 'How long has a ready task waited?',
          description: 'The one that waits longest for a free slot.',
          unit: 's',
          queries: { oldest: fleetGauge(FLEET_GAUGES.queueOldest) },
          thresholds: [from(30, ORANGE), from(300, RED)],
          span: 4,
        }),
        number({
          title: 'How many tasks failed in the last hour?',
          description: 'Budgets and time used up included; the reasons are below.',
          unit: 'none',
          queries: { failed: fleetIncrease(finished, '1h', { where: 'status="failed"' }) },
          span: 4,
        }),
        number({
          title: 'How many sessions are in use?',
          description: 'With an event in the last 5 minutes.',
          unit: 'none',
          queries: { active: fleetGauge(FLEET_GAUGES.sessionsActive) },
          span: 4,
        }),
      ],
      'How many come, and how do they end?': [
        trend({
          title: 'How many tasks are made?',
          description: 'Task: submitted by somebody. Subtask: delegated by a task.',
          unit: 'cps',
          queries: { '{{kind}}': fleetRate(FLEET_COUNTERS.created, { by: ['kind'] }) },
          stacked: true,
          span: 8,
        }),
        trend({
          title: 'How do tasks end?',
          description: 'Completed, failed or cancelled. Stop reasons are beside this.',
          unit: 'cps',
          queries: { '{{status}}': fleetRate(finished, { by: ['status'] }) },
          stacked: true,
          span: 8,
        }),
        trend({
          title: 'Why do tasks end?',
          description:
            'final_answer is the aim. max_iterations: the answer came when the turns were used up. error, timeout, budget: failed, with the best answer so far.',
          unit: 'cps',
          queries: { '{{stop_reason}}': fleetRate(finished, { by: ['stop_reason'] }) },
          stacked: true,
          span: 8,
        }),
        trend({
          title: 'What share of tasks fails?',
          description: 'Of those that ended in the hour before each point.',
          unit: 'percentunit',
          queries: {
            failed: share(
              fleetIncrease(finished, '1h', { where: 'status="failed"' }),
              fleetIncrease(finished, '1h'),
            ),
          },
          max: 1,
          span: 8,
        }),
        trend({
          title: 'How many tasks are there, in which state?',
          description: 'Unfinished ones. Those that ended are kept in Redis for retention_days.',
          unit: 'none',
          queries: {
            '{{status}}': fleetGauge(FLEET_GAUGES.tasks, {
              by: ['status'],
              where: 'status=~"pending|running|waiting"',
            }),
          },
          stacked: true,
          span: 8,
        }),
        trend({
          title: 'How many tasks were gone on with?',
          description:
            'By another activation: worker_lost (its worker was killed or cut off), drained (its worker left well), woken (what it waited for came).',
          unit: 'cps',
          queries: { '{{reason}}': fleetRate(FLEET_COUNTERS.resumed, { by: ['reason'] }) },
          span: 8,
        }),
      ],
      'How long do they take?': [
        trend({
          title: 'How long do tasks take?',
          description:
            'From the first start to the end, waits and lost workers included; 95 of 100 were faster.',
          unit: 's',
          queries: { '{{status}}': fleetQuantile(0.95, FLEET_HISTOGRAMS.duration, { by: ['status'] }) },
          span: 8,
        }),
        trend({
          title: 'How long do tasks wait for a worker?',
          description: 'At each start and resume.',
          unit: 's',
          queries: {
            half: fleetQuantile(0.5, FLEET_HISTOGRAMS.queueWait),
            '95 %': fleetQuantile(0.95, FLEET_HISTOGRAMS.queueWait),
            '99 %': fleetQuantile(0.99, FLEET_HISTOGRAMS.queueWait),
          },
          span: 8,
        }),
        trend({
          title: 'How many iterations do tasks need?',
          description:
            'Turns of the model, of tasks that ended. Near max_iterations: tasks are too large for it.',
          unit: 'none',
          queries: {
            half: fleetQuantile(0.5, FLEET_HISTOGRAMS.iterations),
            '95 %': fleetQuantile(0.95, FLEET_HISTOGRAMS.iterations),
          },
          span: 8,
        }),
      ],
      'What is cancelled?': [
        trend({
          title: 'How many tasks are cancelled?',
          description: 'Cancels asked for, subtasks of a cancelled task included.',
          unit: 'cps',
          queries: { asked: fleetRate(FLEET_COUNTERS.cancels) },
          span: 12,
        }),
        trend({
          title: 'How long does a cancel take?',
          description:
            'From asking to the end of the task. Seconds: a worker does not hear, or a tool does not stop.',
          unit: 's',
          queries: {
            half: fleetQuantile(0.5, FLEET_HISTOGRAMS.cancelLatency),
            '95 %': fleetQuantile(0.95, FLEET_HISTOGRAMS.cancelLatency),
          },
          span: 12,
        }),
      ],
      'What do they do?': [
        trend({
          title: 'Which tools are called?',
          description: 'Calls that are over. All tools of an MCP server are one.',
          unit: 'cps',
          queries: { '{{tool}}': rate(WORKER_METRICS.toolCalls, { by: ['tool'] }) },
          stacked: true,
          span: 8,
        }),
        trend({
          title: 'Which tools go wrong?',
          description:
            'error: the model was told why. interrupted: a worker was lost while it ran. Some errors are ordinary: a file that is not there, a test that fails.',
          unit: 'cps',
          queries: {
            '{{tool}} {{outcome}}': rate(WORKER_METRICS.toolCalls, {
              by: ['tool', 'outcome'],
              where: 'outcome!="ok"',
            }),
          },
          span: 8,
        }),
        trend({
          title: 'How long do tools take?',
          description: 'Whatever came of the call; 95 of 100 were faster.',
          unit: 's',
          queries: { '{{tool}}': quantile(0.95, WORKER_METRICS.toolDuration, { by: ['tool'] }) },
          span: 8,
        }),
      ],
    },
  })
