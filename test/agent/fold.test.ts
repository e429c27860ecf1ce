import { expect, test } from 'vitest'
import { foldTask, foldTranscript, INTERRUPTED, NOT_RUN, NUDGE, STOPPED } from '../../src/agent/fold.ts'
import type { Compression, LogEvent, ToolCall } from '../../src/schemas/event.ts'
import { placed, queued } from './support.ts'

const think = (iteration: number, content: string, tool_calls: ToolCall[] = []): LogEvent => ({
  event_type: 'think_complete',
  iteration,
  content,
  tool_calls,
  model: 'm',
  usage: { input_tokens: 1, output_tokens: 1, cached_tokens: 0 },
  duration: 1,
})
const started: LogEvent = {
  event_type: 'task_started',
  worker: 'w',
  attempt: 1,
  tools: { allowed: [], denied: [] },
}
const start = (call_id: string): LogEvent => ({
  event_type: 'tool_call_start',
  iteration: 1,
  call_id,
  tool_name: 'echo',
  arguments: {},
  effect: 'read',
})
const done = (call_id: string, result: string): LogEvent => ({
  event_type: 'tool_call_complete',
  call_id,
  tool_name: 'echo',
  result,
  duration: 1,
})
const toolCall = (call_id: string): ToolCall => ({ call_id, tool_name: 'echo', arguments: '{}' })

test('results stand in call order although they arrived in another', () => {
  const calls = [toolCall('1.1'), toolCall('1.2')]
  const events = [
    queued('go'),
    think(1, '', calls),
    done('1.2', 'second'),
    done('1.1', 'first'),
    think(2, 'end'),
  ]
  expect(foldTask(events)).toEqual([
    { role: 'user', content: 'go' },
    { role: 'assistant', content: '', tool_calls: calls },
    { role: 'tool', call_id: '1.1', content: 'first' },
    { role: 'tool', call_id: '1.2', content: 'second' },
    { role: 'assistant', content: 'end' },
  ])
})

test('a call of an ended task without a result says whether it had started', () => {
  const calls = [toolCall('1.1'), toolCall('1.2')]
  const contents = foldTask([queued('go'), think(1, 'x', calls), start('1.1')]).map(
    (message) => message.content,
  )
  expect(contents).toEqual(['go', 'x', STOPPED, NOT_RUN])
})

test('an empty answer is a nudge in the conversation', () => {
  expect(foldTask([queued('go'), think(1, ' \n')])).toEqual([
    { role: 'user', content: 'go' },
    { role: 'user', content: NUDGE },
  ])
})

test('a second result for a call changes nothing the model has seen', () => {
  const events = [think(1, '', [toolCall('1.1')]), done('1.1', INTERRUPTED), done('1.1', 'late')]
  expect(foldTask(events).at(-1)?.content).toBe(INTERRUPTED)
})

test('earlier tasks come in the order they started, without children and without tasks that never ran', () => {
  const a = placed([queued('task a'), started, think(1, 'answer a')], 'task-a')
  const b = placed([queued('task b'), started, think(1, 'answer b')], 'task-b')
  const child = placed([queued('child'), started, think(1, 'child answer')], 'task-c', {
    parent_task_id: 'task-a',
  })
  const never = placed([queued('never ran')], 'task-n')
  const own = placed([queued('mine')], 'task-me')
  const [aQueued, ...aRest] = a
  const log = [aQueued!, ...never, ...own, ...b, ...child, ...aRest]
  expect(foldTranscript(log, 'task-me').map((message) => message.content)).toEqual([
    'task b',
    'answer b',
    'task a',
    'answer a',
  ])
})

test('a task that started later does not change the transcript of one that is resumed', () => {
  const own = placed([queued('mine'), started], 'task-me')
  const later = placed([queued('later'), started, think(1, 'later answer')], 'task-later')
  expect(foldTranscript([...own, ...later], 'task-me')).toEqual([])
})

test('a child task knows only its own task', () => {
  const parent = placed([queued('parent'), started, think(1, 'delegating')], 'task-p')
  const child = placed([queued('part')], 'task-c', { parent_task_id: 'task-p' })
  expect(foldTranscript([...parent, ...child], 'task-c')).toEqual([])
})

test('an earlier task that was cancelled says so', () => {
  const cancelled: LogEvent = {
    event_type: 'task_cancelled',
    reason: 'task cancelled by user',
    requested_by: 'user',
    total_iterations: 0,
    total_tokens: 0,
    duration: 1,
  }
  const log = placed([queued('go'), started, cancelled], 'task-a')
  expect(foldTranscript(log, 'task-me').at(-1)?.content).toContain('task cancelled by user')
})

const lost = (compression: Compression): LogEvent => ({
  event_type: 'context_compression',
  iteration: 3,
  reason: 'limit',
  asked_model: 'm',
  tokens_before: 900,
  tokens_after: 300,
  messages_before: 9,
  messages_after: 5,
  compression,
  duration: 1,
})
const rounds = (count: number) =>
  Array.from({ length: count }, (_, index) => {
    const call_id = `${index + 1}.1`
    const args = JSON.stringify({ path: 'a', text: 'b'.repeat(200) })
    return [
      think(index + 1, 'x', [{ ...toolCall(call_id), arguments: args }]),
      done(call_id, 'r'.repeat(200)),
    ]
  }).flat()

// Word for word: logs of this release are folded by the next ones.
test('a compression in the log shortens what came before it and nothing after it', () => {
  const events = [
    queued('go'),
    ...rounds(2),
    lost({ shorten: { to: { task_id: '', answers: 1 }, chars: 20 } }),
    ...rounds(1),
  ]
  const [, first, result, ...rest] = foldTask(events)
  const cut = (letter: string) => `${letter.repeat(20)}\n[180 characters removed to fit the context]`
  expect(result?.content).toBe(cut('r'))
  expect(first).toMatchObject({ tool_calls: [{ arguments: JSON.stringify({ path: 'a', text: cut('b') }) }] })
  expect(rest).toEqual([...foldTask(rounds(2)).slice(2), ...foldTask(rounds(1))])
})

test('a compression in the log cuts the middle out of what is too long', () => {
  const [goal, , result] = foldTask([
    queued('g'.repeat(200)),
    ...rounds(1),
    lost({ cap_outputs: 40, cap_texts: 60 }),
  ])
  expect(goal?.content).toBe(`${'g'.repeat(40)}\n[… 120 characters cut here …]\n${'g'.repeat(40)}`)
  expect(result?.content).toBe(`${'r'.repeat(30)}\n[… 140 characters cut here …]\n${'r'.repeat(30)}`)
})

test("a summary in the log stands for what it sums up, in later tasks too, but not for its task's text", () => {
  const a = placed([queued('task a'), started, ...rounds(2)], 'task-a')
  const summary = { to: { task_id: 'task-b', answers: 1 }, text: 'a and the start of b' }
  const b = placed([queued('task b'), started, ...rounds(1), lost({ summary }), think(2, 'end b')], 'task-b')
  expect(foldTranscript([...a, ...b], 'task-c').map(({ content }) => content)).toEqual([
    'task b',
    'a and the start of b',
    'end b',
  ])
})
