import { expect, test } from 'vitest'
import type { StreamEvent } from '../../../src/client/client.ts'
import { EMPTY, withEvents } from '../../../src/web/state/conversation.ts'
import type { Item } from '../../../src/web/state/items.ts'

let clock = 0
const place = (seq: number) => ({
  id: `${(clock += 1)}-0`,
  timestamp: '2026-01-01T00:00:00.000Z',
  session_id: 's',
  task_id: 't',
  seq,
})
const live = {
  session_id: 's',
  task_id: 't',
  timestamp: '2026-01-01T00:00:00.000Z',
  attempt: 1,
  iteration: 1,
}
const said = (offset: number, delta: string): StreamEvent => ({
  event_type: 'assistant_message',
  ...live,
  offset,
  delta,
})
const printed = (offset: number, chunk: string): StreamEvent => ({
  event_type: 'tool_call_stream',
  ...live,
  call_id: '1.1',
  offset,
  chunk,
})
const usage = { input_tokens: 90, output_tokens: 10, cached_tokens: 0 }

const BEGUN: StreamEvent[] = [
  { ...place(1), event_type: 'task_queued', task: 'do it' },
  { ...place(2), event_type: 'task_started', worker: 'w', attempt: 1, tools: { allowed: [], denied: [] } },
  { ...place(3), event_type: 'iteration_start', iteration: 1, max_iterations: 5 },
]
const THOUGHT: StreamEvent = {
  ...place(4),
  event_type: 'think_complete',
  iteration: 1,
  content: 'I look.',
  tool_call_count: 1,
  model: 'm',
  usage,
  cost_usd: 0.5,
  duration: 7,
}
const CALLED: StreamEvent = {
  ...place(5),
  event_type: 'tool_call_start',
  iteration: 1,
  call_id: '1.1',
  tool_name: 'bash',
  arguments: { command: 'ls' },
  effect: 'write',
}
const RETURNED: StreamEvent = {
  ...place(6),
  event_type: 'tool_call_complete',
  call_id: '1.1',
  tool_name: 'bash',
  result: 'exit code 0',
  duration: 3,
}
const ended = (final_answer: string): StreamEvent => ({
  ...place(7),
  event_type: 'task_complete',
  final_answer,
  stop_reason: 'final_answer',
  total_iterations: 1,
  total_tokens: 100,
  cost_usd: 0.5,
  duration: 50,
})
const fold = (...events: StreamEvent[]) => withEvents(EMPTY, events)
const last = (items: readonly Item[]) => items.at(-1)

test('an answer grows piece by piece, and the whole of it replaces the pieces', () => {
  const growing = fold(...BEGUN, said(0, 'I '), said(2, 'lo'))
  expect(last(growing.items)).toMatchObject({ kind: 'step', live: true, answer: { text: 'I lo' } })
  const whole = withEvents(growing, [THOUGHT, said(4, 'ok.')])
  expect(last(whole.items)).toMatchObject({
    live: false,
    answer: { text: 'I look.' },
    costUsd: 0.5,
    tokens: 100,
  })
})

test('an event that comes a second time changes nothing', () => {
  const events = [...BEGUN, THOUGHT, CALLED, RETURNED, ended('I look.')]
  const once = fold(...events)
  expect(withEvents(once, events)).toEqual(once)
  expect(once.tasks.get('t')).toMatchObject({
    status: 'completed',
    tokens: 100,
    costUsd: 0.5,
    durationMs: 50,
  })
})

test('an answer that begins anew with another attempt leaves nothing of the first', () => {
  const { items } = fold(...BEGUN, said(0, 'first try'), said(0, 'sec'), said(3, 'ond'))
  expect(last(items)).toMatchObject({ answer: { text: 'second' } })
})

test('a command shows its output until its result is there', () => {
  const running = fold(...BEGUN, THOUGHT, CALLED, printed(0, 'a\n'), printed(2, 'b\n'))
  expect(last(running.items)).toMatchObject({ kind: 'tool', output: { text: 'a\nb\n' } })
  const done = withEvents(running, [RETURNED, printed(4, 'late')])
  expect(last(done.items)).toMatchObject({ result: 'exit code 0', output: { text: '' }, durationMs: 3 })
})

test('the final answer is shown once, and again only where it is another', () => {
  expect(last(fold(...BEGUN, THOUGHT, ended('I look.')).items)).not.toHaveProperty('answer')
  expect(last(fold(...BEGUN, THOUGHT, ended('Something else.')).items)).toMatchObject({
    kind: 'end',
    answer: 'Something else.',
  })
})

test('a cancelled answer stays as far as it came', () => {
  const { items } = fold(...BEGUN, said(0, 'half'), {
    ...place(4),
    event_type: 'task_cancelled',
    reason: 'task cancelled by user',
    requested_by: 'user',
    total_iterations: 1,
    total_tokens: 0,
    duration: 9,
  })
  expect(items.slice(-2)).toMatchObject([
    { kind: 'step', live: false, answer: { text: 'half' } },
    { kind: 'end', outcome: 'cancelled', text: 'task cancelled by user' },
  ])
})

test('the tasks of a session stand one after another', () => {
  const second: StreamEvent = { ...place(1), task_id: 'u', event_type: 'task_queued', task: 'and that' }
  const { items, tasks } = fold(...BEGUN, THOUGHT, ended('I look.'), second)
  expect(items.map(({ kind, taskId }) => [kind, taskId])).toEqual([
    ['prompt', 't'],
    ['step', 't'],
    ['end', 't'],
    ['prompt', 'u'],
  ])
  expect([...tasks.keys()]).toEqual(['t', 'u'])
})

test('an event of a newer server is passed over', () => {
  const newer = { ...place(4), event_type: 'mood_changed', mood: 'good' } as unknown as StreamEvent
  expect(fold(...BEGUN, newer).items).toEqual(fold(...BEGUN).items)
})
