/** What could be wrong with a task's events. */
import {
  against,
  copyWaiting,
  entryOf,
  insertAfter,
  mirrored,
  moveAfter,
  type Plant,
  type Row,
  remove,
  settled,
} from './check-planting.ts'

const endPlants: Plant[] = [
  {
    title: 'a task never ended',
    plant: settled((h) => remove(h, entryOf(h, 'taken', 'task_complete'))),
    rule: 'ends_once',
  },
  {
    title: 'a task ended twice',
    plant: settled((h) => insertAfter(h, entryOf(h, 'taken', 'task_complete'), { type: 'task_failed' })),
    rule: 'ends_once',
  },
  {
    title: 'something happened to a task after its end',
    plant: settled((h) => insertAfter(h, entryOf(h, 'taken', 'task_complete'), { type: 'iteration_start' })),
    rule: 'ends_once',
  },
  {
    title: 'a task that was accepted is nowhere',
    plant: settled((h) =>
      remove(h, entryOf(h, 'waiting', 'task_queued'), entryOf(h, 'waiting', 'task_cancelled')),
    ),
    rule: 'ends_once',
  },
]

const numberPlants: Plant[] = [
  {
    title: 'a seq was left out',
    plant: mirrored((h) => {
      entryOf(h, 'plain', 'task_complete').seq += 1
    }),
    rule: 'numbering',
  },
  {
    title: 'a seq was given twice',
    plant: mirrored((h) => {
      entryOf(h, 'plain', 'iteration_start').seq -= 1
    }),
    rule: 'numbering',
  },
  {
    title: 'ids of the log do not ascend',
    plant: mirrored((h) => {
      const [one, other] = [entryOf(h, 'plain', 'task_started'), entryOf(h, 'crashed', 'task_started')]
      ;[one.id, other.id] = [other.id, one.id]
    }),
    rule: 'numbering',
  },
]

const call = (h: Parameters<Plant['plant']>[0], nth: number) =>
  [entryOf(h, 'plain', 'tool_call_start', nth), entryOf(h, 'plain', 'tool_call_complete', nth)] as const

const stepPlants: Row[] = [
  [
    'the first event of a task is another',
    (h) => moveAfter(h, entryOf(h, 'plain', 'task_queued'), entryOf(h, 'plain', 'task_started')),
  ],
  ['a task was queued twice', (h) => insertAfter(h, entryOf(h, 'plain', 'task_queued'), {})],
  [
    'a task started twice',
    (h) => insertAfter(h, entryOf(h, 'plain', 'task_started'), { data: { worker: 'worker-1', attempt: 2 } }),
  ],
  [
    'a task was resumed before it had started',
    (h) => Object.assign(entryOf(h, 'plain', 'task_started'), { type: 'task_resumed' }),
  ],
  [
    'an attempt was counted twice',
    (h) => Object.assign(entryOf(h, 'crashed', 'task_resumed').data, { attempt: 1 }),
  ],
  [
    'a step was taken before the start',
    (h) => moveAfter(h, entryOf(h, 'plain', 'iteration_start'), entryOf(h, 'plain', 'task_queued')),
  ],
  [
    'an iteration was left out',
    (h) => Object.assign(entryOf(h, 'plain', 'iteration_start', 2).data, { iteration: 4 }),
  ],
  ['an iteration began twice', (h) => insertAfter(h, entryOf(h, 'plain', 'iteration_start', 1), {})],
  [
    'an iteration began before the one before was complete',
    (h) => remove(h, entryOf(h, 'plain', 'iteration_complete', 1)),
  ],
  ['an answer stands outside of its iteration', (h) => remove(h, entryOf(h, 'plain', 'iteration_start', 1))],
  [
    'a call started that the answer did not ask for',
    (h) => call(h, 0).forEach(({ data }) => Object.assign(data, { call_id: '1.7' })),
  ],
  ['a call started twice', (h) => insertAfter(h, entryOf(h, 'plain', 'tool_call_start'), {})],
  ['a call has two results', (h) => insertAfter(h, entryOf(h, 'plain', 'tool_call_complete'), {})],
  ['a call started after its result', (h) => moveAfter(h, call(h, 2)[0], call(h, 2)[1])],
  ['a call succeeded that never started', (h) => remove(h, call(h, 2)[0])],
  [
    'an iteration was completed before its calls had results',
    (h) => moveAfter(h, call(h, 2)[1], entryOf(h, 'plain', 'iteration_complete', 1)),
  ],
  [
    'an iteration was completed without an answer',
    (h) =>
      moveAfter(h, entryOf(h, 'plain', 'think_complete', 2), entryOf(h, 'plain', 'iteration_complete', 2)),
  ],
  [
    'a task was completed with a call that has no result',
    (h) => remove(h, call(h, 2)[1], entryOf(h, 'plain', 'iteration_complete', 1)),
  ],
  [
    'a task was completed in the middle of its last iteration',
    (h) => remove(h, entryOf(h, 'plain', 'iteration_complete', 2)),
  ],
  [
    'a task was completed without a final answer',
    (h) =>
      remove(
        h,
        entryOf(h, 'plain', 'iteration_start', 2),
        entryOf(h, 'plain', 'think_complete', 2),
        entryOf(h, 'plain', 'iteration_complete', 2),
      ),
    ['model_costs'],
  ],
  [
    'a task was completed that never started',
    (h) => {
      entryOf(h, 'waiting', 'task_cancelled').type = 'task_complete'
      h.cancels = h.cancels.filter(({ task_id }) => task_id !== 'task-waiting')
    },
  ],
]

const orderPlants: Plant[] = [
  {
    title: 'a task started before the one ahead of it had ended',
    plant: settled((h) =>
      moveAfter(h, entryOf(h, 'plain', 'task_complete'), entryOf(h, 'crashed', 'task_started')),
    ),
    rule: 'session_order',
  },
  {
    title: 'a task overtook the one that was submitted before it',
    plant: settled((h) =>
      moveAfter(h, entryOf(h, 'reasked', 'task_queued'), entryOf(h, 'taken', 'task_queued')),
    ),
    rule: 'session_order',
  },
  {
    title: 'a task started when only its nearest neighbour had ended',
    plant: settled((h) => {
      const [queued] = copyWaiting(h, 's1')
      h.submissions.push({ ...structuredClone(h.submissions[0]!), marker: 'copy', tries: [] })
      const plan = '{"marker":"copy"}'
      if (queued) queued.data = { task: plan }
      insertAfter(h, entryOf(h, 'copy', 'task_queued'), {
        type: 'task_started',
        data: { worker: 'worker-1', attempt: 1 },
      })
      moveAfter(h, entryOf(h, 'crashed', 'task_complete'), entryOf(h, 'copy', 'task_started'))
    }),
    rule: 'session_order',
  },
]

export const logPlants: readonly Plant[] = [
  ...endPlants,
  ...numberPlants,
  ...stepPlants.map(([title, change, also]) => against('legal_steps')([title, settled(change), also])),
  ...orderPlants,
]
