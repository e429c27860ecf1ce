/** What activations, models and commands could do wrong. */
import {
  against,
  effectOf,
  entryOf,
  insertAfter,
  modelCallOf,
  type Plant,
  type Row,
  remove,
  settled,
} from './check-planting.ts'
import type { History } from './history.ts'

/** The token with the nonce of the answer that only the lost worker had. */
const lostToken = (h: History, place: string) => `${place}.${modelCallOf(h, 'reasked', 0).nonce}`

const lapsedPlants: Row[] = [
  [
    'the answer in the log was given to a worker that had lost the task',
    (h) => void (modelCallOf(h, 'reasked', 1).worker = 'w1.0'),
    ['model_costs'],
  ],
  [
    'an answer was given to another worker, although nobody resumed the task',
    (h) => void (modelCallOf(h, 'plain', 1).worker = 'w2.0'),
    ['model_costs'],
  ],
  [
    'a call was run of an answer that only a lost worker had',
    (h) =>
      void (entryOf(h, 'reasked', 'tool_call_start').data['arguments'] = {
        command: lostToken(h, 'reasked.0.0'),
      }),
  ],
  [
    'a call was run of an earlier answer',
    (h) =>
      void (entryOf(h, 'plain', 'tool_call_start', 2).data['arguments'] = {
        command: effectOf(h, 'plain.0.0').token,
      }),
  ],
  [
    'a lost worker reported the result of its call after all',
    (h) =>
      void (entryOf(h, 'crashed', 'tool_call_complete').data = { call_id: '1.1', result: 'exit code 0' }),
  ],
  [
    'the question was put by an earlier activation of the same worker',
    (h) => void (modelCallOf(h, 'crashed', 1).at = entryOf(h, 'crashed', 'task_resumed').at - 1000),
    ['model_costs'],
  ],
]

const effectPlants: Row[] = [
  ['a ledger line was written twice', (h) => void h.effects.push({ ...effectOf(h, 'plain.0.0') })],
  ['an interrupted call took effect again', (h) => void h.effects.push({ ...effectOf(h, 'crashed.0.0') })],
  [
    'an effect of a deleted session happened twice',
    (h) => void h.effects.push({ ...effectOf(h, 'gone.0.0') }),
  ],
  [
    'a call that succeeded never took effect',
    (h) => void h.effects.splice(h.effects.indexOf(effectOf(h, 'crashed.1.0')), 1),
  ],
  [
    'a file that was written is not there',
    (h) => void h.effects.splice(h.effects.indexOf(effectOf(h, 'plain.1.0')), 1),
  ],
  [
    'a call took effect that was never started',
    (h) => {
      const { token, at } = effectOf(h, 'stopped.0.0')
      h.effects.push({ token: token.replace('stopped.0.0', 'stopped.0.1'), kind: 'ledger', at })
    },
  ],
  [
    'a call of an answer took effect that is not in the log',
    (h) => void h.effects.push({ ...effectOf(h, 'reasked.0.1'), token: lostToken(h, 'reasked.0.1') }),
  ],
  [
    'something took effect that no model had asked for',
    (h) => void h.effects.push({ ...effectOf(h, 'plain.0.0'), token: 'plain.0.0.forged' }),
  ],
  ['a call did something else than it was to do', (h) => void (effectOf(h, 'plain.0.0').kind = 'http')],
]

const timePlants: Row[] = [
  [
    'a lost worker acted after its task went on elsewhere',
    (h) => void (effectOf(h, 'crashed.0.0').at = entryOf(h, 'crashed', 'task_resumed').at + 100),
  ],
  [
    'a cancelled task acted after its end',
    (h) => void (effectOf(h, 'stopped.0.0').at = entryOf(h, 'stopped', 'task_cancelled').at + 100),
  ],
  [
    'a request was made after the end of its task',
    (h) => void (effectOf(h, 'late.0.0').at = entryOf(h, 'late', 'task_complete').at + 500),
  ],
  [
    'a call acted before its start was in the log',
    (h) => void (effectOf(h, 'plain.0.0').at = entryOf(h, 'plain', 'tool_call_start').at - 30),
  ],
  [
    'a call acted after its result was in the log',
    (h) => void (effectOf(h, 'plain.0.0').at = entryOf(h, 'plain', 'tool_call_complete').at + 30),
  ],
]

const answerPlants: Row[] = [
  [
    'an answer in the log had been cut off',
    (h) => void (modelCallOf(h, 'plain', 0).end = 'closed_by_client'),
  ],
  [
    'a failure of the model was logged as an answer',
    (h) => void (modelCallOf(h, 'taken', 0).end = 'disconnect'),
  ],
  [
    'an answer in the log was never given',
    (h) => void (entryOf(h, 'plain', 'think_complete', 2).data['content'] = 'done'),
  ],
  ['a turn was answered twice', (h) => void (modelCallOf(h, 'plain', 2).turn = 1)],
  ['a turn was lost from the conversation', (h) => void (modelCallOf(h, 'plain', 2).turn = 3)],
  [
    'a task got the answer to another',
    (h) => void (modelCallOf(h, 'plain', 2).marker = 'crashed'),
    ['model_costs'],
  ],
  [
    'an answer is mixed of two',
    (h) =>
      void (entryOf(h, 'reasked', 'think_complete').data['content'] +=
        ` ${modelCallOf(h, 'reasked', 0).nonce}`),
  ],
  [
    'what a broken stream had brought stands before the answer',
    (h) =>
      void (entryOf(h, 'late', 'think_complete').data['content'] =
        `half an answer, turn 0 ${modelCallOf(h, 'late', 1).nonce}`),
  ],
  [
    'an answer lost a call on its way into the log',
    settled((h) => {
      for (const type of ['tool_call_start', 'tool_call_complete']) remove(h, entryOf(h, 'plain', type, 2))
      ;(entryOf(h, 'plain', 'think_complete', 1).data['tool_calls'] as unknown[]).pop()
    }),
  ],
  [
    'an answer was logged twice',
    settled((h) => {
      const last = entryOf(h, 'plain', 'think_complete', 2)
      for (const type of ['iteration_start', 'iteration_complete'])
        entryOf(h, 'plain', type, 2).data['max_iterations'] = 3
      insertAfter(h, last, {})
    }),
    ['model_costs'],
  ],
]

export const activityPlants: readonly Plant[] = [
  ...lapsedPlants.map(against('no_lapsed_activation')),
  ...effectPlants.map(against('effects_once')),
  ...timePlants.map(against('effects_in_lease')),
  ...answerPlants.map(against('model_answers')),
]
