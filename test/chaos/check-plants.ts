/** What a service could do wrong, one table: each breaks the example in one place, and the rule that must notice. */

import {
  effectOf,
  entryOf,
  modelCallOf,
  type Plant,
  remove,
  settled,
  submissionOf,
} from './check-planting.ts'
import { activityPlants } from './check-plants-activity.ts'
import { childrenPlants } from './check-plants-children.ts'
import { costPlants } from './check-plants-costs.ts'
import { logPlants } from './check-plants-log.ts'
import { outsidePlants } from './check-plants-outside.ts'

export const planted: readonly Plant[] = [
  ...logPlants,
  ...childrenPlants,
  ...activityPlants,
  ...costPlants,
  ...outsidePlants,
]

/** What may happen in a run that went well. */
export const harmless: readonly Omit<Plant, 'rule'>[] = [
  {
    title: 'an interrupted call did not take effect',
    plant: (h) => void h.effects.splice(h.effects.indexOf(effectOf(h, 'crashed.0.0')), 1),
  },
  {
    title: 'a call that was cancelled did not take effect',
    plant: (h) => void h.effects.splice(h.effects.indexOf(effectOf(h, 'stopped.0.0')), 1),
  },
  {
    title: 'a failed call did not take effect',
    plant: (h) => {
      entryOf(h, 'plain', 'tool_call_complete').data['error'] = 'exit code 1'
      h.effects.splice(h.effects.indexOf(effectOf(h, 'plain.0.0')), 1)
    },
  },
  {
    title: 'a cancel whose answer was lost came too late',
    plant: (h) =>
      void h.cancels.push({ task_id: 'task-plain', sentAt: h.startedAt, answeredAt: h.endedAt, status: 0 }),
  },
  {
    title: 'a cancel whose answer was lost ended its task',
    plant: (h) => h.cancels.forEach((cancel) => Object.assign(cancel, { status: 0 })),
  },
  {
    title: 'the task of a keyless submission whose answer was lost is there',
    plant: (h) => {
      const { sentAt } = submissionOf(h, 'late').tries[0] ?? { sentAt: 0 }
      submissionOf(h, 'late').tries = [{ sentAt, answeredAt: sentAt + 5, status: 0 }]
    },
  },
  {
    title: 'the first activation wrote nothing, so the second one starts the task',
    plant: settled((h) => {
      entryOf(h, 'plain', 'task_started').data['attempt'] = 2
    }),
  },
  {
    title: 'a worker was lost between the log and the model',
    plant: (h) => void h.modelCalls.splice(h.modelCalls.indexOf(modelCallOf(h, 'reasked', 0)), 1),
  },
  {
    title: 'a reader that left did not see the end',
    plant: (h) => {
      const reader = h.readers.find(({ name }) => name === 'of s1')
      if (reader) Object.assign(reader, { finished: false, events: reader.events.slice(0, 5) })
    },
  },
  {
    title: 'a deletion whose answer was lost did not happen',
    plant: (h) =>
      void h.deletions.push({ session_id: 's1', sentAt: h.endedAt, answeredAt: h.endedAt, status: 0 }),
  },
  {
    title: 'a task that had not begun failed',
    plant: settled((h) => {
      remove(h, entryOf(h, 'waiting', 'task_cancelled'))
      h.cancels = h.cancels.filter(({ task_id }) => task_id !== 'task-waiting')
      const queued = entryOf(h, 'waiting', 'task_queued')
      const log = h.logs['s1'] ?? []
      log.push({ ...queued, type: 'task_failed', at: queued.at + 10, data: {} })
    }),
  },
  {
    title: 'the activation that was woken was lost before it wrote a word',
    plant: (h) => {
      entryOf(h, 'whole', 'task_resumed').data = { worker: 'worker-2', attempt: 3, reason: 'worker_lost' }
    },
  },
  {
    title: 'a child failed, and its parent went on',
    plant: settled((h) => {
      const end = entryOf(h, 'part-three', 'task_complete')
      Object.assign(end, { type: 'task_failed', data: {} })
    }),
  },
  {
    title: 'no child completed, which is an error of the call',
    plant: settled((h) => {
      for (const marker of ['part-one', 'part-two', 'part-three'])
        Object.assign(entryOf(h, marker, 'task_complete'), { type: 'task_failed', data: {} })
      Object.assign(entryOf(h, 'whole', 'tool_call_complete', 1).data, { error: 'no subtask completed' })
    }),
  },
]
