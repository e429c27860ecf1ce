import { describe, expect, test } from 'vitest'
import { foldTask, INTERRUPTED } from '../../src/agent/fold.ts'
import type { ChatMessage } from '../../src/agent/model.ts'
import type { LogEvent } from '../../src/schemas/event.ts'
import { activate, call, echo, ofType, placed, queued, save, scripted } from './support.ts'

const script = [
  {
    content: 'one',
    tool_calls: [call('echo', { text: 'a' }), call('echo', { text: 'b' }), call('save', { text: 'c' })],
  },
  {
    content: '',
    tool_calls: [call('save', { text: 'd' }), call('echo', { text: 'e' }), call('echo', '{broken')],
  },
  {},
  { content: 'four', tool_calls: [call('send', { text: 'f' })] },
  { content: 'the end' },
]
const tools = { echo, save, send: { ...save, effect: 'external' as const } }

const record = async (): Promise<LogEvent[]> => {
  const { run, recorder } = await activate({ model: scripted(script).model, tools })
  await run
  return [queued('do it'), ...recorder.events]
}
const recorded = await record()

const pairsOf = (messages: readonly ChatMessage[]) =>
  messages.filter((message) => message.role === 'assistant' || message.role === 'tool')

describe.each(recorded.map((event, index) => [index + 1, event.event_type] as const))(
  'a worker lost after event %i, %s',
  (length) => {
    const kept = recorded.slice(0, length)
    const resume = async () => {
      const { model, requests } = scripted(script)
      const { run, recorder, toolbox } = await activate({
        model,
        tools,
        history: placed(kept),
        task: { attempt: 2 },
      })
      return {
        outcome: await run,
        events: [...kept, ...recorder.events],
        added: recorder.events,
        requests,
        toolbox,
      }
    }

    test('leads to the same answer and the same conversation, but for what was interrupted', async () => {
      const { outcome, events } = await resume()
      expect(outcome).toMatchObject({ kind: 'answered', answer: 'the end', stop_reason: 'final_answer' })
      const expected = pairsOf(foldTask(recorded))
      const actual = pairsOf(foldTask(events))
      const differing = actual.filter((message, index) => message.content !== expected[index]?.content)
      expect(actual).toHaveLength(expected.length)
      expect(differing.every((message) => message.content === INTERRUPTED)).toBe(true)
      expect(differing.length).toBeLessThanOrEqual(1)
    })

    test('repeats no write that had started, and runs each of the others once', async () => {
      const { events, toolbox, added } = await resume()
      const startedBefore = ofType(kept, 'tool_call_start').filter((event) => event.effect !== 'read')
      for (const { call_id } of startedBefore)
        expect(toolbox.ran.some((key) => key.endsWith(`/${call_id}`))).toBe(false)
      for (const type of ['tool_call_start', 'tool_call_complete'] as const) {
        const ids = ofType(events, type).map((event) => event.call_id)
        expect(ids.toSorted()).toEqual([...new Set(ids)].toSorted())
        expect(ids).toHaveLength(7)
      }
      const interrupted = ofType(added, 'tool_call_complete').filter((event) => event.interrupted)
      for (const event of interrupted)
        expect(event).toMatchObject({ error: 'interrupted', result: INTERRUPTED })
    })

    test('numbers its iterations without a gap or a repeat', async () => {
      const { events } = await resume()
      for (const type of ['iteration_start', 'think_complete', 'iteration_complete'] as const)
        expect(ofType(events, type).map((event) => event.iteration)).toEqual([1, 2, 3, 4, 5])
    })

    test('shows the model a result for every call, each time it is asked', async () => {
      const { requests } = await resume()
      for (const { messages } of requests) {
        const asked = messages.flatMap((message) =>
          message.role === 'assistant' ? (message.tool_calls ?? []).map((toolCall) => toolCall.call_id) : [],
        )
        const answered = messages.flatMap((message) => (message.role === 'tool' ? [message.call_id] : []))
        expect(answered).toEqual(asked)
      }
    })
  },
)

test('a last call that was lost is made again without tools', async () => {
  const more = { content: 'more', tool_calls: [call('echo', { text: 'x' })] }
  const replies = [more, { content: 'so far' }]
  const first = await activate({ model: scripted(replies).model, task: { max_iterations: 1 } })
  await first.run
  const log = [queued('do it'), ...first.recorder.events]
  for (let length = 1; length <= log.length; length += 1) {
    const second = await activate({
      model: scripted(replies).model,
      task: { max_iterations: 1, attempt: 2 },
      history: placed(log.slice(0, length)),
    })
    expect(await second.run).toMatchObject({
      kind: 'answered',
      answer: 'so far',
      stop_reason: 'max_iterations',
    })
  }
})
