import { expect, test } from 'vitest'
import { FINAL_REQUEST, NUDGE } from '../../src/agent/fold.ts'
import {
  activate,
  call,
  createRecorder,
  echo,
  ofType,
  placed,
  queued,
  scripted,
  type TestTool,
  types,
} from './support.ts'

test('a task with one round of tools leaves its whole course in the log', async () => {
  const { model, requests } = scripted([
    { content: 'looking', tool_calls: [call('echo', { text: 'a' })] },
    { content: 'all done' },
  ])
  const { run, recorder } = await activate({ model })
  expect(await run).toEqual({
    kind: 'answered',
    answer: 'all done',
    stop_reason: 'final_answer',
    total_iterations: 2,
    total_tokens: 30,
  })
  expect(types(recorder.events)).toEqual([
    'task_started',
    'iteration_start',
    'model_call_start',
    'think_complete',
    'tool_call_start',
    'tool_call_complete',
    'iteration_complete',
    'iteration_start',
    'model_call_start',
    'think_complete',
    'iteration_complete',
  ])
  // The last answer may go with the end, all that something was done after is there before.
  expect(recorder.durable()).toBe(recorder.events.length - 2)
  expect(requests[1]?.messages.slice(1)).toEqual([
    { role: 'user', content: 'do it' },
    {
      role: 'assistant',
      content: 'looking',
      tool_calls: [{ call_id: '1.1', ...call('echo', { text: 'a' }) }],
    },
    { role: 'tool', call_id: '1.1', content: 'echo: a' },
  ])
})

test('an iteration costs at most three commits', async () => {
  const rounds = Array.from({ length: 5 }, (_, i) => ({ tool_calls: [call('echo', { text: i })] }))
  const { model } = scripted([...rounds, { content: 'end' }])
  const { run, recorder } = await activate({ model })
  await run
  expect(recorder.commits.length).toBeLessThanOrEqual(6 * 3)
})

test('neighbouring reads run together, a write runs alone and in its place', async () => {
  let running = 0
  const log: string[] = []
  const slow = (effect: 'read' | 'write'): TestTool => ({
    effect,
    run: async ({ text }) => {
      running += 1
      await Promise.resolve()
      log.push(`${String(text)}:${running}`)
      await Promise.resolve()
      running -= 1
      return { content: String(text) }
    },
  })
  const calls = [
    call('read', { text: 'a' }),
    call('read', { text: 'b' }),
    call('write', { text: 'c' }),
    call('write', { text: 'd' }),
    call('read', { text: 'e' }),
  ]
  const { model } = scripted([{ tool_calls: calls }, { content: 'end' }])
  const { run, recorder } = await activate({ model, tools: { read: slow('read'), write: slow('write') } })
  await run
  expect(log).toEqual(['a:2', 'b:2', 'c:1', 'd:1', 'e:1'])
  expect(ofType(recorder.events, 'tool_call_start').map((event) => event.effect)).toEqual([
    'read',
    'read',
    'write',
    'write',
    'read',
  ])
})

test("a call's start is durable before it runs, its result before the model sees it", async () => {
  const recorder = createRecorder()
  const durable: Record<string, string[]> = {}
  const note = (moment: string) => {
    durable[moment] = types(recorder.events.slice(0, recorder.durable()))
  }
  const tools = {
    look: {
      effect: 'write' as const,
      run: () => {
        note('run')
        return { content: 'x' }
      },
    },
  }
  const { model } = scripted([
    { tool_calls: [call('look')] },
    async () => {
      note('next call')
      return { content: 'end' }
    },
  ])
  const { run } = await activate({ model, tools, recorder })
  await run
  expect(durable['run']).toEqual([
    'task_started',
    'iteration_start',
    'model_call_start',
    'think_complete',
    'tool_call_start',
  ])
  expect(durable['next call']).toContain('tool_call_complete')
})

test('broken arguments and unknown tools go back to the model as results', async () => {
  const { model, requests } = scripted([
    { tool_calls: [call('echo', '{"text": "unfin'), call('nonsense')] },
    { content: 'end' },
  ])
  const { run, recorder } = await activate({ model })
  expect((await run).kind).toBe('answered')
  expect(requests[1]?.messages.slice(-2)).toEqual([
    { role: 'tool', call_id: '1.1', content: 'The arguments are not valid JSON.' },
    { role: 'tool', call_id: '1.2', content: 'There is no tool nonsense.' },
  ])
  expect(ofType(recorder.events, 'tool_call_start')[0]?.arguments).toBe('{"text": "unfin')
})

test('a tool that throws is a failed call, not a failed task', async () => {
  const tools = { bad: { effect: 'read' as const, run: () => Promise.reject(new Error('no such disk')) } }
  const { model } = scripted([{ tool_calls: [call('bad')] }, { content: 'end' }])
  const { run, recorder } = await activate({ model, tools })
  expect((await run).kind).toBe('answered')
  expect(ofType(recorder.events, 'tool_call_complete')[0]).toMatchObject({ error: 'failed' })
})

test('when the iterations are used up one last call without tools gives the answer', async () => {
  const more = { content: 'still looking', tool_calls: [call('echo', { text: 'x' })] }
  const { model, requests } = scripted([more, more, { content: 'what I have', tool_calls: [call('echo')] }])
  const { run, recorder } = await activate({ model, task: { max_iterations: 2 } })
  expect(await run).toMatchObject({
    kind: 'answered',
    stop_reason: 'max_iterations',
    answer: 'what I have',
    total_iterations: 2,
  })
  expect(requests.map((request) => request.toolChoice)).toEqual(['auto', 'auto', 'none'])
  expect(requests[2]?.messages.at(-1)).toEqual({ role: 'user', content: FINAL_REQUEST })
  expect(JSON.stringify(recorder.events)).not.toContain(FINAL_REQUEST)
  expect(ofType(recorder.events, 'iteration_start')).toHaveLength(2)
  expect(ofType(recorder.events, 'iteration_complete')).toHaveLength(2)
})

test('an answer in the last iteration is a final answer', async () => {
  const { model } = scripted([{ content: 'quick' }])
  const { run } = await activate({ model, task: { max_iterations: 1 } })
  expect(await run).toMatchObject({ kind: 'answered', stop_reason: 'final_answer' })
})

test('an empty answer is nudged twice, then the task fails', async () => {
  const { model, requests } = scripted([{}, { content: '  ' }, {}, { content: 'too late' }])
  const { run } = await activate({ model })
  expect(await run).toMatchObject({ kind: 'failed', error: { code: 'empty_answer' } })
  expect(requests).toHaveLength(3)
  expect(requests[2]?.messages.slice(-2)).toEqual([
    { role: 'user', content: NUDGE },
    { role: 'user', content: NUDGE },
  ])
})

test('a nudge that helps leads to the answer', async () => {
  const { model } = scripted([{}, { content: 'here it is' }])
  const { run } = await activate({ model })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'here it is' })
})

test('an answer cut at its limit is accepted as it is', async () => {
  const { model } = scripted([{ content: 'half a tho', cut: true }])
  const { run } = await activate({ model })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'half a tho' })
})

test('text streams with offsets that a retried call starts again at 0', async () => {
  let tries = 0
  const { recorder, run } = await activate({
    model: async ({ onDelta }) => {
      tries += 1
      onDelta(tries === 1 ? 'false start' : 'the answer')
      if (tries === 1)
        return { ok: false, failure: { kind: 'network', code: 'connection_failed', message: 'gone' } }
      const usage = { input_tokens: 1, output_tokens: 1, cached_tokens: 0 }
      return { ok: true, answer: { content: 'the answer', tool_calls: [], model: 'm', usage, cut: false } }
    },
  })
  await run
  expect(recorder.frames.at(-1)).toEqual({
    event_type: 'assistant_message',
    attempt: 1,
    iteration: 1,
    offset: 0,
    delta: 'the answer',
  })
})

test("a tool's output streams under its call", async () => {
  const tools = {
    chatty: {
      effect: 'read' as const,
      run: (_: unknown, { stream }: { stream: (chunk: string) => void }) => {
        stream('one ')
        stream('two')
        return { content: 'ok' }
      },
    },
  }
  const { model } = scripted([{ tool_calls: [call('chatty')] }, { content: 'end' }])
  const { run, recorder } = await activate({ model, tools })
  await run
  expect(recorder.frames).toEqual([
    { event_type: 'tool_call_stream', attempt: 1, iteration: 1, offset: 0, call_id: '1.1', chunk: 'one two' },
  ])
})

test('the session goes on: an earlier task stands before this one', async () => {
  const first = scripted([{ tool_calls: [call('echo', { text: 'a' })] }, { content: 'first answer' }])
  const one = await activate({
    model: first.model,
    task: { task_id: 'task-0' },
    history: placed([queued('first')], 'task-0'),
  })
  await one.run
  const history = [
    ...placed([queued('first'), ...one.recorder.events], 'task-0'),
    ...placed([queued('second')], 'task-1'),
  ]
  const { model, requests } = scripted([{}, {}, { content: 'second answer' }])
  const two = await activate({ model, history, tools: { echo } })
  await two.run
  expect(requests[0]?.messages.map((message) => message.role)).toEqual([
    'system',
    'user',
    'assistant',
    'tool',
    'assistant',
    'user',
  ])
})
