/** A durable call in the loop: it starts with its children, and has its result when they have ended. */
import { expect, onTestFinished, test, vi } from 'vitest'
import type { AgentRun } from '../../src/agent/agent.ts'
import { toolboxOf } from '../../src/agent/tools/registry.ts'
import { subagentTool } from '../../src/agent/tools/subagent.ts'
import { thinkTool } from '../../src/agent/tools/think.ts'
import { todoReadTool } from '../../src/agent/tools/todo-read.ts'
import type { SubtaskResult } from '../../src/agent/tools/tool.ts'
import { LeaseLost } from '../../src/errors.ts'
import type { LogEvent } from '../../src/schemas/event.ts'
import { activate, call, createRecorder, ofType, placed, queued, scripted, types } from './support.ts'

const toolbox = toolboxOf([thinkTool, todoReadTool, subagentTool])
const SUBTASKS = ['count the files', 'read the README']
const ask = (args: object = { subtasks: SUBTASKS }) => ({ tool_calls: [call('subagent', args)] })

type Started = Parameters<AgentRun['delegation']['start']>

/** Keeps what was delegated; the answers are there when the task is activated again. */
const delegating = (results: SubtaskResult[] = []) => {
  const started: Started[] = []
  const delegation: AgentRun['delegation'] = {
    start: async (...args) => void started.push(args),
    results: async () => results,
  }
  return { started, delegation }
}

/** The log of a task that waits, as the script leaves it. */
const waiting = async () => {
  const { started, delegation } = delegating()
  const first = await activate({ model: scripted([ask()]).model, delegation, deps: { toolbox } })
  expect(await first.run).toMatchObject({ kind: 'waiting', total_iterations: 1 })
  const [start] = started.map(([event]) => event)
  return [queued('do it'), ...first.recorder.events, ...(start ? [start] : [])] satisfies LogEvent[]
}

test('the call ends the activation, with all before it durable and its start left to the port', async () => {
  const recorder = createRecorder()
  const { started, delegation } = delegating()
  const model = scripted([ask({ subtasks: SUBTASKS, mode: 'serial', max_workers: 5 })]).model
  const { run } = await activate({ model, recorder, delegation, deps: { toolbox } })
  expect(await run).toMatchObject({ kind: 'waiting' })
  expect(types(recorder.events)).toEqual([
    'task_started',
    'iteration_start',
    'model_call_start',
    'think_complete',
  ])
  expect(recorder.durable()).toBe(4)
  expect(started).toMatchObject([
    [{ call_id: '1.1', tool_name: 'subagent', effect: 'durable' }, SUBTASKS, { maxWorkers: 1 }],
  ])
})

test('the next activation gives the call its result of what the children answered, and goes on', async () => {
  vi.setSystemTime('2026-01-01T00:01:00.000Z')
  onTestFinished(() => void vi.useRealTimers())
  const history = placed(await waiting())
  const { started, delegation } = delegating([
    { task_id: 'a', status: 'completed', answer: '12 files' },
    { task_id: 'b', status: 'failed', why: 'broke', answer: 'a part' },
  ])
  const { model, requests } = scripted([ask(), { content: 'all done' }])
  const second = await activate({
    model,
    history,
    delegation,
    deps: { toolbox },
    task: { attempt: 2, resume_reason: 'woken' },
  })
  expect(await second.run).toMatchObject({ kind: 'answered', answer: 'all done' })
  expect(started).toEqual([])
  expect(types(second.recorder.events).slice(0, 3)).toEqual([
    'task_resumed',
    'tool_call_complete',
    'iteration_complete',
  ])
  const [result] = ofType(second.recorder.events, 'tool_call_complete')
  expect(result?.result).toBe(
    [
      '1 of 2 subtasks completed.',
      '## Subtask 1, completed: count the files\n(a)\n12 files',
      '## Subtask 2, failed (broke): read the README\n(b)\nThe best answer so far:\na part',
    ].join('\n\n'),
  )
  expect(requests[0]?.messages.at(-1)).toMatchObject({ role: 'tool', content: result?.result })
  expect(result?.duration, 'since it started').toBe(60_000)
})

test('answers share what the model may see, each cut in its middle', async () => {
  const history = placed(await waiting())
  const { delegation } = delegating([
    { task_id: 'a', status: 'completed', answer: `begin${'x'.repeat(50_000)}end` },
    { task_id: 'b', status: 'completed', answer: 'short' },
  ])
  const { model } = scripted([ask(), { content: 'ok' }])
  const { run, recorder } = await activate({ model, history, delegation, deps: { toolbox } })
  await run
  const [result] = ofType(recorder.events, 'tool_call_complete')
  expect(result).toMatchObject({ truncated: true })
  expect(result?.result.length).toBeLessThan(16_000)
  expect(result?.result).toMatch(/begin.*characters cut here.*end.*short$/s)
})

test('calls before and after it wait their turn', async () => {
  const { started, delegation } = delegating()
  const think = call('think', { thought: 'hm' })
  const both = { tool_calls: [think, call('subagent', { subtasks: ['one'] }), think] }
  const { run, recorder } = await activate({ model: scripted([both]).model, delegation, deps: { toolbox } })
  expect(await run).toMatchObject({ kind: 'waiting' })
  expect(ofType(recorder.events, 'tool_call_complete').map(({ call_id }) => call_id)).toEqual(['1.1'])
  expect(started).toMatchObject([[{ call_id: '1.2' }, ['one'], { maxWorkers: 3 }]])
})

test.for([
  ['without subtasks', { subtasks: [] }],
  ['with a blank one', { subtasks: [' '] }],
  ['with too many workers', { subtasks: ['one'], max_workers: 11 }],
] as const)('a call %s is answered and makes nothing', async ([, args]) => {
  const { started, delegation } = delegating()
  const { model } = scripted([ask(args), { content: 'ok' }])
  const { run, recorder } = await activate({ model, delegation, deps: { toolbox } })
  expect(await run).toMatchObject({ kind: 'answered' })
  expect(started).toEqual([])
  expect(ofType(recorder.events, 'tool_call_complete')).toMatchObject([{ error: 'invalid arguments' }])
  expect(ofType(recorder.events, 'tool_call_start')).toHaveLength(1)
})

test('a preset without subagents refuses the call', async () => {
  const { started, delegation } = delegating()
  const { model, requests } = scripted([ask(), { content: 'ok' }])
  const task = { tool_preset: 'web-only' }
  const { run, recorder } = await activate({ model, delegation, task, deps: { toolbox } })
  await run
  expect(started).toEqual([])
  expect(requests[0]?.tools.map(({ name }) => name)).not.toContain('subagent')
  expect(ofType(recorder.events, 'tool_call_complete')[0]?.error).toContain('refused by preset web-only')
})

test('a child is not offered subagents, and is refused when it calls for them', async () => {
  const { started, delegation } = delegating()
  const { model, requests } = scripted([ask(), { content: 'ok' }])
  const task = { parent_task_id: 'task-0' }
  const { run, recorder } = await activate({ model, delegation, task, deps: { toolbox } })
  expect(await run).toMatchObject({ kind: 'answered' })
  expect(started).toEqual([])
  expect(requests[0]?.tools.map(({ name }) => name)).toEqual(['think', 'todo_read'])
  expect(ofType(recorder.events, 'task_started')).toMatchObject([
    { tools: { allowed: ['think', 'todo_read'], denied: ['subagent'] } },
  ])
  expect(ofType(recorder.events, 'tool_call_complete')[0]?.error).toContain('refused')
})

test('a cancel that came before leaves the call as one that never ran', async () => {
  const stopping = new AbortController()
  const delegation: AgentRun['delegation'] = {
    start: async () => {
      stopping.abort('cancelled')
      throw stopping.signal.reason
    },
    results: async () => [],
  }
  const { model } = scripted([ask()])
  const { run, recorder } = await activate({ model, delegation, signal: stopping.signal, deps: { toolbox } })
  expect(await run).toMatchObject({ kind: 'aborted' })
  expect(types(recorder.events)).not.toContain('tool_call_start')
  expect(ofType(recorder.events, 'tool_call_complete')[0]?.result).toContain('it had no effect')
})

test('a refused delegation ends the activation with nothing more written', async () => {
  const delegation: AgentRun['delegation'] = {
    start: async () => Promise.reject(new LeaseLost('refused by the test')),
    results: async () => [],
  }
  const { run, recorder } = await activate({ model: scripted([ask()]).model, delegation, deps: { toolbox } })
  await expect(run).rejects.toThrow(LeaseLost)
  expect(types(recorder.events)).toEqual([
    'task_started',
    'iteration_start',
    'model_call_start',
    'think_complete',
  ])
})
