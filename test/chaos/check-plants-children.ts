/** What could be wrong with children. */
import {
  against,
  entryOf,
  insertAfter,
  moveAfter,
  type Plant,
  type Row,
  remove,
  settled,
} from './check-planting.ts'
import type { History } from './history.ts'

const allOf = (h: History, marker: string) =>
  Object.values(h.logs)
    .flat()
    .filter(({ task }) => task === `task-${marker}`)

const childPlants: Row[] = [
  [
    'a child was made twice',
    (h) => allOf(h, 'part-idle').forEach((entry) => insertAfter(h, entry, { task: 'task-part-idle-again' })),
  ],
  [
    'a child was made before the call that made it',
    (h) => moveAfter(h, entryOf(h, 'part-one', 'task_queued'), entryOf(h, 'whole', 'tool_call_complete')),
  ],
  [
    'a child was made that no call in the log asked for',
    (h) =>
      allOf(h, 'whole').forEach((entry) => {
        if (entry.data['effect'] === 'durable') entry.data['arguments'] = {}
      }),
  ],
  [
    'a child belongs to a task of another session',
    (h) => allOf(h, 'part-one').forEach((entry) => Object.assign(entry, { parent: 'task-plain' })),
  ],
  [
    'a child has a child',
    (h) => allOf(h, 'part-one').forEach((entry) => Object.assign(entry, { parent: 'task-part-two' })),
  ],
  [
    'the parent went on before its last child had ended',
    (h) => moveAfter(h, entryOf(h, 'whole', 'task_resumed'), entryOf(h, 'part-two', 'task_complete')),
  ],
  [
    'the parent ended before a child had let go',
    (h) => moveAfter(h, entryOf(h, 'part-busy', 'task_cancelled'), entryOf(h, 'halted', 'task_cancelled')),
  ],
  [
    'the parent got its result without having been woken',
    (h) => {
      remove(h, entryOf(h, 'whole', 'task_resumed'))
      // In the time of the activation that waited, so that only this is wrong.
      const model = h.modelCalls.filter(({ marker }) => marker === 'whole')[1]
      if (model) model.worker = 'w1.0'
    },
  ],
  [
    'more children were at work than may be',
    (h) => moveAfter(h, entryOf(h, 'part-three', 'task_started'), entryOf(h, 'part-two', 'task_started')),
  ],
  [
    'the result leaves out what a child answered',
    (h) => void (entryOf(h, 'whole', 'tool_call_complete', 1).data['result'] = 'answer one, answer two'),
  ],
]

export const childrenPlants: readonly Plant[] = [
  {
    title: 'a child was lost',
    plant: settled((h) => remove(h, ...allOf(h, 'part-three'))),
    rule: 'children',
    also: ['effects_once'],
  },
  ...childPlants.map(([title, change]) => against('children')([title, settled(change)])),
  against('legal_steps')([
    'a task was woken that had not waited',
    settled((h) => Object.assign(entryOf(h, 'crashed', 'task_resumed').data, { reason: 'woken' })),
  ]),
  {
    title: 'a child never ended',
    plant: settled((h) => remove(h, entryOf(h, 'part-idle', 'task_cancelled'))),
    rule: 'ends_once',
    also: ['children'],
  },
  against('cancels')([
    'a child was cancelled, and nobody had asked for it or its parent',
    settled((h) => void (entryOf(h, 'part-one', 'task_complete').type = 'task_cancelled')),
  ]),
]
