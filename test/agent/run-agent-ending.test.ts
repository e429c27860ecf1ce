import { expect, test } from 'vitest'
import { DRAINED } from '../../src/agent/agent.ts'
import { NOT_RUN } from '../../src/agent/fold.ts'
import { LeaseLost } from '../../src/errors.ts'
import { activate, call, createRecorder, ofType, placed, queued, save, scripted, types } from './support.ts'

test('a pause stops between steps and leaves the open calls to the next activation', async () => {
  let pausing = false
  const tools = {
    save,
    quit: {
      effect: 'write' as const,
      run: () => {
        pausing = true
        return { content: 'pausing' }
      },
    },
  }
  const { model } = scripted([
    { tool_calls: [call('quit'), call('save', { text: 'b' })] },
    { content: 'end' },
  ])
  const first = await activate({ model, tools, shouldPause: () => pausing })
  expect((await first.run).kind).toBe('paused')
  expect(first.recorder.durable()).toBe(first.recorder.events.length)

  const history = placed([queued('do it'), ...first.recorder.events])
  const second = await activate({ model, tools, history, task: { attempt: 2, resume_reason: 'drained' } })
  expect(await second.run).toMatchObject({ kind: 'answered', answer: 'end' })
  expect(second.recorder.events[0]).toEqual({
    event_type: 'task_resumed',
    worker: 'worker-1',
    attempt: 2,
    from_iteration: 1,
    reason: 'drained',
  })
  expect(second.toolbox.ran).toEqual(['save task-1/2/1.2'])
})

test('an abort closes every open call, the ones that never ran included', async () => {
  const controller = new AbortController()
  const tools = {
    save,
    hang: {
      effect: 'write' as const,
      run: async (_: unknown, { signal }: { signal: AbortSignal }) => {
        const aborted = Promise.withResolvers<void>()
        signal.addEventListener('abort', () => aborted.resolve())
        controller.abort('cancelled')
        await aborted.promise
        return { content: 'aborted after 3 of 5 files', error: 'aborted' }
      },
    },
  }
  const calls = [call('hang'), call('save', { text: 'b' })]
  const { model } = scripted([{ content: 'working', tool_calls: calls }])
  const { run, recorder, toolbox } = await activate({ model, tools, signal: controller.signal })
  expect(await run).toMatchObject({ kind: 'aborted', partial_answer: 'working', total_iterations: 1 })
  expect(toolbox.ran).toHaveLength(1)
  expect(ofType(recorder.events, 'tool_call_complete')).toMatchObject([
    { call_id: '1.1', result: 'aborted after 3 of 5 files', error: 'aborted' },
    { call_id: '1.2', result: NOT_RUN, error: 'cancelled' },
  ])
})

test('a tool that ignores the abort is not waited for', async () => {
  const controller = new AbortController()
  const tools = {
    deaf: {
      effect: 'write' as const,
      run: async () => {
        controller.abort('cancelled')
        return new Promise<never>(() => {})
      },
    },
  }
  const { model } = scripted([{ tool_calls: [call('deaf')] }])
  const { run, recorder } = await activate({ model, tools, signal: controller.signal })
  expect((await run).kind).toBe('aborted')
  expect(ofType(recorder.events, 'tool_call_complete')).toMatchObject([{ error: 'cancelled' }])
})

test('a drain that cannot wait leaves reads and unstarted calls to the next activation', async () => {
  const controller = new AbortController()
  const tools = {
    save,
    read: {
      effect: 'read' as const,
      run: () => {
        controller.abort(DRAINED)
        return { content: 'aborted', error: 'aborted' }
      },
    },
  }
  const { model } = scripted([{ tool_calls: [call('read'), call('save')] }])
  const { run, recorder } = await activate({ model, tools, signal: controller.signal })
  expect((await run).kind).toBe('aborted')
  expect(ofType(recorder.events, 'tool_call_complete')).toEqual([])
})

test('an abort during a model call gives the text streamed so far', async () => {
  const controller = new AbortController()
  const { model } = scripted([
    async ({ onDelta }) => {
      onDelta('the first half')
      controller.abort('timeout')
      return {}
    },
  ])
  const { run } = await activate({ model, signal: controller.signal })
  expect(await run).toMatchObject({ kind: 'aborted', partial_answer: 'the first half' })
})

test('a refused append ends the run before the tools do', async () => {
  const recorder = createRecorder(1)
  const { model } = scripted([{ tool_calls: [call('save', { text: 'x' })] }])
  const { run, toolbox } = await activate({ model, recorder })
  await expect(run).rejects.toThrow(LeaseLost)
  expect(toolbox.ran).toEqual([])
})

test('a lease lost inside a tool stops its neighbours and nothing more is written', async () => {
  let stopped = false
  const tools = {
    fenced: {
      effect: 'read' as const,
      run: () => Promise.reject(new LeaseLost('the clock ran out')),
    },
    neighbour: {
      effect: 'read' as const,
      run: async (_: unknown, { signal }: { signal: AbortSignal }) => {
        const aborted = Promise.withResolvers<void>()
        signal.addEventListener('abort', () => aborted.resolve())
        await aborted.promise
        stopped = true
        return { content: 'late' }
      },
    },
  }
  const { model } = scripted([{ tool_calls: [call('neighbour'), call('fenced')] }])
  const { run, recorder } = await activate({ model, tools })
  await expect(run).rejects.toThrow(LeaseLost)
  expect(stopped).toBe(true)
  expect(types(recorder.events).at(-1)).toBe('tool_call_start')
})
