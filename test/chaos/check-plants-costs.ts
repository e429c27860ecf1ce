/** What could be wrong with the costs of a run. */
import {
  against,
  entryOf,
  insertAfter,
  modelCallOf,
  type Plant,
  type Row,
  remove,
  settled,
} from './check-planting.ts'
import type { Counted } from './history.ts'

const callPlants: Row[] = [
  [
    'a request was made that is not in the log',
    (h) => void h.modelCalls.push({ ...modelCallOf(h, 'late', 0) }),
  ],
  [
    'the first request was made before its start was in the log',
    (h) => void (modelCallOf(h, 'plain', 0).at = entryOf(h, 'plain', 'model_call_start').at - 30),
  ],
  [
    'a call has no outcome although its task has ended',
    settled((h) => remove(h, entryOf(h, 'reasked', 'model_call_end'))),
  ],
  [
    'a lost call was counted twice',
    settled((h) => insertAfter(h, entryOf(h, 'reasked', 'model_call_end'), {})),
  ],
  ['an answer has no start', settled((h) => remove(h, entryOf(h, 'taken', 'model_call_start')))],
  [
    'a refusal was logged that the model never gave',
    settled((h) => void (modelCallOf(h, 'late', 0).end = 'disconnect')),
  ],
  [
    'a call broke off that the model never met',
    settled((h) => {
      h.modelCalls.splice(h.modelCalls.indexOf(modelCallOf(h, 'reasked', 0)), 1)
      entryOf(h, 'reasked', 'model_call_end').data['outcome'] = 'broken'
    }),
  ],
  [
    'an answer costs a nano-USD too little',
    settled((h) => {
      const { data } = entryOf(h, 'plain', 'think_complete')
      data['cost_usd'] = (Math.round(Number(data['cost_usd']) * 1e9) - 1) / 1e9
    }),
  ],
  [
    'tokens from the cache were forgotten',
    settled((h) => {
      const { data } = entryOf(h, 'plain', 'think_complete')
      data['usage'] = { ...(data['usage'] as object), cached_tokens: 0 }
    }),
  ],
  [
    'the cost of an answer is taken for an estimate',
    settled((h) => {
      const { data } = entryOf(h, 'plain', 'think_complete')
      data['estimated_cost_usd'] = data['cost_usd']
    }),
  ],
  [
    'a lost call was estimated below its input',
    settled((h) => {
      const { data } = entryOf(h, 'reasked', 'model_call_end')
      data['estimated_usage'] = { input_tokens: 499, output_tokens: 0, cached_tokens: 0 }
    }),
  ],
  [
    'a lost call was counted as an answer',
    settled((h) => {
      const { data } = entryOf(h, 'reasked', 'model_call_end')
      data['cost_usd'] = data['estimated_cost_usd']
    }),
  ],
  [
    'a lost call costs nothing',
    settled((h) => delete entryOf(h, 'reasked', 'model_call_end').data['estimated_usage']),
  ],
]

/** Another value than the logs say. */
const off = (counted: Counted | undefined, metric: string, by: number) => {
  if (counted) counted[metric] = (counted[metric] ?? 0) + by
}

const sumPlants: Row[] = [
  ["a task's record misses an answer", (h) => off(h.costs.tasks['task-plain'], 'model_calls', -1)],
  ['a repeated append counted in the session twice', (h) => off(h.costs.sessions['s1'], 'cost_nano', 1)],
  ['a lost call is not in its day', (h) => off(h.costs.days['s2'], 'estimated_calls', -1)],
  ['the sum over models misses a deleted session', (h) => off(h.costs.models, 'cost_nano', -1)],
]

export const costPlants: readonly Plant[] = [
  ...callPlants.map(against('model_costs')),
  ...sumPlants.map(against('cost_sums')),
]
