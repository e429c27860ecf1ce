import { expect, test } from 'vitest'
import { foldTask, foldTranscript, INTERRUPTED, NOT_RUN, NUDGE, STOPPED } from '../../src/agent/fold.ts'
import type { LogEvent, ToolCall } from '../../src/schemas/event.ts'
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
