/** What callers and readers could be told wrongly, and what could be left behind. */
import {
  against,
  cancelOf,
  copyWaiting,
  effectOf,
  entryOf,
  type Plant,
  type Row,
  readerOf,
  settled,
  submissionOf,
} from './check-planting.ts'
import type { Cancel, History } from './history.ts'

const addCancel = (h: History, marker: string, change: Partial<Cancel>) =>
  h.cancels.push({ ...cancelOf(h, 'late'), task_id: `task-${marker}`, ...change })
const dropCancel = (h: History, marker: string) => h.cancels.splice(h.cancels.indexOf(cancelOf(h, marker)), 1)

const cancelPlants: Row[] = [
  ['a cancel was accepted and its task completed', (h) => void addCancel(h, 'plain', { status: 200 })],
  [
    'a cancel was accepted and its task failed',
    settled((h) => void (entryOf(h, 'stopped', 'task_cancelled').type = 'task_failed')),
  ],
  [
    'a cancel was refused while the task was at work',
    (h) => void (cancelOf(h, 'late').answeredAt = entryOf(h, 'late', 'task_started').at),
  ],
  ['a cancel was refused and its task cancelled', (h) => void addCancel(h, 'waiting', { status: 409 })],
  ['a task was cancelled unasked', (h) => void dropCancel(h, 'stopped')],
  ['a task was cancelled before anybody asked', (h) => void (cancelOf(h, 'stopped').sentAt += 1000)],
  ['a cancel was not understood', (h) => void addCancel(h, 'plain', { status: 500 })],
  ['a task was unknown to a cancel', (h) => void addCancel(h, 'plain', { status: 404 })],
]

const seen = (h: History, name: string) => readerOf(h, name).events

const readerPlants: Row[] = [
  ['a session reader missed an event', (h) => void seen(h, 'of s1').splice(7, 1)],
  ['a session reader missed the first event', (h) => void seen(h, 'of s1').shift()],
  ['a session reader missed the last event', (h) => void seen(h, 'who came late').pop()],
  ['a session reader saw nothing at all', (h) => void seen(h, 'who came late').splice(0)],
  ['a task reader missed the first event', (h) => void seen(h, 'from late on').shift()],
  ['a task reader did not see the end', (h) => void seen(h, 'from plain on').pop()],
  ['a task reader that left missed an event before', (h) => void seen(h, 'who left early').splice(1, 1)],
  ['a reader saw an event twice', (h) => void seen(h, 'of s1').splice(8, 0, { ...seen(h, 'of s1')[7]! })],
  [
    'a reader saw two events in the wrong order',
    (h) => void seen(h, 'of s1').splice(7, 2, ...seen(h, 'of s1').slice(7, 9).toReversed()),
  ],
  [
    'a reader saw an event that never was',
    (h) => void seen(h, 'of s1').push({ ...seen(h, 'of s1')[7]!, id: '9-9' }),
  ],
  ['a reader saw another seq than the log has', (h) => void (seen(h, 'from plain on')[2]!.seq += 1)],
  [
    'a task reader saw an event of another task',
    (h) => void seen(h, 'from plain on').push({ ...seen(h, 'from late on')[0]! }),
  ],
  [
    'a task reader was told that there is no such task',
    (h) => void readerOf(h, 'from late on').connects.push({ at: 0, status: 404, lastEventId: '' }),
  ],
  [
    'a reader of a deleted session missed an event',
    (h) => void seen(h, 'of the deleted session').splice(2, 1),
  ],
  [
    'a reader of a deleted session saw an event twice',
    (h) => void seen(h, 'of the deleted session').splice(2, 0, { ...seen(h, 'of the deleted session')[2]! }),
  ],
]

const retell = (h: History, marker: string, status: number, task_id?: string) =>
  submissionOf(h, marker).tries.push({
    sentAt: h.endedAt,
    answeredAt: h.endedAt,
    status,
    ...(task_id !== undefined && { task_id }),
  })

const submissionPlants: Row[] = [
  [
    'two tries of one key were answered with different tasks',
    (h) => void retell(h, 'crashed', 200, 'task-plain'),
  ],
  ['a repeated submission was answered as a conflict', (h) => void retell(h, 'crashed', 409)],
  ['a submission with a key was queued twice', settled((h) => void copyWaiting(h, 's1'))],
  [
    'a keyless submission was queued twice',
    settled((h) => {
      for (const { data } of copyWaiting(h, 's1'))
        data['task'] = entryOf(h, 'late', 'task_queued').data['task']
    }),
    ['model_costs'],
  ],
  ['a task was queued in another session', (h) => void (submissionOf(h, 'waiting').session_id = 's2')],
  [
    'the answer named a task that is another',
    (h) => submissionOf(h, 'crashed').tries.forEach((one) => Object.assign(one, { task_id: 'task-plain' })),
  ],
  [
    'a task ran that nobody had submitted',
    settled((h) => {
      for (const { data } of copyWaiting(h, 's1')) data['task'] = '{"marker":"unknown"}'
    }),
  ],
]

const leftoverPlants: Row[] = [
  [
    'a task is not at its end',
    (h) => void h.leftovers.unfinished.push({ task_id: 'task-plain', status: 'running' }),
  ],
  ['somebody is still to look at a task', (h) => void h.leftovers.due.push('task-plain')],
  ['a ticket is still in the queue', (h) => void h.leftovers.tickets.push('task-plain.1')],
  ['an ended task is still leased', (h) => void h.leftovers.leases.push('task-plain')],
  ['a key has no owner', (h) => void h.leftovers.keys.push('session:s3:log')],
  [
    'a process of a tool still lives',
    (h) => void h.leftovers.children.push({ pid: 17, command: 'sleep 100' }),
  ],
]

const late = (h: History, by: number) => (h.deletions[0]?.answeredAt ?? 0) + by

const deletionPlants: Row[] = [
  [
    'a deleted session has a log',
    settled((h) => {
      h.readers = h.readers.filter(({ name }) => name !== 'of the deleted session')
      h.logs['s3'] = ['task_queued', 'task_cancelled'].map((type) => ({
        ...structuredClone(entryOf(h, 'waiting', type)),
        task: 'task-gone',
        at: late(h, 0),
      }))
      const [queued] = h.logs['s3']
      if (queued) queued.data = { task: '{"marker":"gone"}' }
      h.effects.splice(h.effects.indexOf(effectOf(h, 'gone.0.0')), 1)
    }),
    ['model_costs'],
  ],
  [
    'a session acted after its deletion was confirmed',
    (h) => void (effectOf(h, 'gone.0.0').at = late(h, 100)),
  ],
  [
    'a session was said to be unknown that has a log',
    (h) => void h.deletions.push({ session_id: 's1', sentAt: h.endedAt, answeredAt: h.endedAt, status: 404 }),
  ],
  [
    'a deletion was answered with an error',
    (h) => void (h.deletions = h.deletions.map((deletion) => ({ ...deletion, status: 500 }))),
  ],
]

export const outsidePlants: readonly Plant[] = [
  ...cancelPlants.map(against('cancels')),
  ...readerPlants.map(against('readers')),
  ...submissionPlants.map(against('submissions')),
  ...leftoverPlants.map(against('leftovers')),
  ...deletionPlants.map(against('deletions')),
]
