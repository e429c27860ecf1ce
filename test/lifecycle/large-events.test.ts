/** Events of megabytes: arguments and answers that a model may well give. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { foldTask } from '../../src/agent/fold.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/sse.ts'

const ARGUMENTS = 'a'.repeat(1_500_000)
const ANSWER = `${'word '.repeat(400_000)}.`
const Live = z.object({ type: z.string(), data: z.string().optional() })

/** Reads a task's stream with a pause after each chunk, connecting again after the last event whenever it is cut off. */
const readSlowly = async (url: string) => {
  const ids: string[] = []
  let rest = ''
  for (;;) {
    const headers: Record<string, string> = ids.length === 0 ? {} : { 'Last-Event-ID': ids.at(-1) ?? '' }
    const answer = await fetch(url, { headers })
    if (answer.status === 204) return ids
    const decoder = new TextDecoder()
    try {
      for await (const chunk of answer.body ?? []) {
        rest += decoder.decode(chunk, { stream: true })
        const frames = rest.split('\n\n')
        rest = frames.pop() ?? ''
        for (const frame of frames) {
          const id = /^id: (.+)$/m.exec(frame)?.[1]
          if (id !== undefined) ids.push(id)
        }
        await pause(10)
      }
    } catch {
      // Dropped as too slow.
    }
    rest = ''
  }
}

test('arguments of 1.5 MB and an answer of 2 MB are kept, streamed, resumed and folded', async () => {
  const service = await startService()
  const { model, store } = service
  const chunkSize = 200_000
  model.on({ turnIndex: 0 }, calls(['think', { thought: ARGUMENTS }]), { chunkSize })
  model.on({ turnIndex: 1 }, calls(['bash', { command: 'echo started; sleep 60' }]))
  model.on({ turnIndex: 2 }, { content: ANSWER }, { chunkSize })
  const listener = service.redis.duplicate()
  onTestFinished(() => listener.disconnect())
  const published: z.infer<typeof Live>[] = []
  listener.on('message', (_, text: string) => {
    if (text.includes('"prev"')) published.push(Live.parse(JSON.parse(text)))
  })
  await listener.subscribe(store.key('events', 'large'))

  // Nothing is left out of a context that may be so long.
  const unbounded = { ALEX_CONTEXT_WINDOW: '10000000' }
  const first = await service.startWorker(unbounded)
  const { task_id } = await service.submit({ task: 'go on and on', session_id: 'large' })
  const url = `${service.url}/api/tasks/${task_id}/events`
  using stream = watch(url)
  await stream.untilType('tool_call_start', 2)
  await first.end('SIGKILL')
  await service.startWorker(unbounded)
  const slow = readSlowly(url)
  const task = await service.ended(task_id)
  expect(task).toMatchObject({ status: 'completed', attempts: 2 })
  expect(task.result?.answer === ANSWER).toBe(true)

  await stream.untilType('task_complete')
  const log = await store.readLog('large', '0-0', 100)
  expect(stream.ids()).toEqual(log.map(({ id }) => id))
  expect(await slow).toEqual(stream.ids())
  const large = stream.durable().filter(({ data }) => JSON.stringify(data).length > 20_000)
  expect(large.map(({ type }) => type)).toEqual(['task_complete'])
  expect(stream.durable().at(-1)?.data['final_answer'] === ANSWER).toBe(true)

  // What the second worker showed the model.
  const asked = foldTask(log).flatMap((message) =>
    message.role === 'assistant' ? (message.tool_calls ?? []) : [],
  )
  expect(asked[0]?.arguments.includes(ARGUMENTS)).toBe(true)
  const withData = new Map(published.map(({ type, data }) => [type, data !== undefined]))
  expect(withData.get('iteration_start')).toBe(true)
  expect(withData.get('think_complete')).toBe(false)
  expect(withData.get('task_complete')).toBe(false)
  const session = await service.json<{ messages: { content: string }[] }>('/api/sessions/large')
  expect(session.messages.at(-1)?.content === ANSWER).toBe(true)
})
