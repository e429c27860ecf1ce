import { expect, onTestFinished, test } from 'vitest'
import { startFleet } from '../support/fleet.ts'
import { type ReceivedSpan, startOtlpReceiver } from '../support/otlp.ts'
import { calls } from '../support/service.ts'
import { watch } from '../support/watch.ts'

const CALLER = { trace: '0af7651916cd43dd8448eb211c80319c', span: 'b7ad6b7169203331' }

/** Names of the spans below this one, each with those below it, in the order of their starts. */
const treeOf = (spans: readonly ReceivedSpan[], parent: string): unknown[] =>
  spans
    .filter((span) => span.parentSpanId === parent)
    .toSorted((a, b) => a.startTimeUnixNano.localeCompare(b.startTimeUnixNano))
    .map((span) => {
      const below = treeOf(spans, span.spanId)
      return below.length === 0 ? span.name : [span.name, ...below]
    })

test('one trace holds a task from its request to its answer, over lost workers and with its subtasks', async () => {
  const receiver = await startOtlpReceiver()
  onTestFinished(() => receiver[Symbol.asyncDispose]())
  const { model, ...fleet } = await startFleet()
  const asked = /private-task/
  model.on({ userMessage: asked, turnIndex: 0 }, calls(['bash', { command: 'echo private-words' }]))
  model.on({ userMessage: asked, turnIndex: 1 }, calls(['bash', { command: 'echo second; sleep 40' }]))
  model.on({ userMessage: asked, turnIndex: 2 }, { content: 'private-answer' })
  model.on({ userMessage: /whole/, turnIndex: 0 }, calls(['subagent', { subtasks: ['part one'] }]))
  model.on({ userMessage: /part/ }, { content: 'done' })
  model.on({ userMessage: /whole/, turnIndex: 1 }, { content: 'all done' })
  const env = receiver.variables
  await fleet.startApi(env)
  const first = await fleet.startWorker(env)
  const answer = await fleet.request('/api/tasks', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      traceparent: `00-${CALLER.trace}-${CALLER.span}-01`,
      tracestate: 'vendor=1',
    },
    body: JSON.stringify({ task: 'private-task', session_id: 'traced' }),
  })
  const { task_id } = (await answer.json()) as { task_id: string }
  const stream = watch(`${fleet.url}/api/tasks/${task_id}/events`)
  await stream.until(() => stream.live.find(({ chunk }) => chunk === 'second\n'))
  const done = await receiver.next(({ name }) => name === 'iteration 1')
  await fleet.startWorker(env)
  await first.end('SIGKILL')
  expect(await fleet.ended(task_id)).toMatchObject({ status: 'completed', attempts: 2 })
  const last = await receiver.next(({ name }) => name.startsWith('invoke_agent'))

  const { spans } = receiver
  const ofTask = spans.filter(({ traceId }) => traceId === CALLER.trace)
  const request = ofTask.find(({ name }) => name === 'POST /api/tasks')
  expect(request).toMatchObject({
    parentSpanId: CALLER.span,
    attributes: { 'http.route': '/api/tasks', 'http.response.status_code': 201 },
    resource: { 'service.name': 'alex-api' },
  })
  expect(treeOf(ofTask, CALLER.span)).toEqual([
    [
      'POST /api/tasks',
      ['invoke_agent default', ['iteration 2', 'execute_tool bash'], ['iteration 3', 'chat gpt-4o-mini']],
    ],
  ])
  expect(treeOf(ofTask, done.spanId)).toEqual(['chat gpt-4o-mini', 'execute_tool bash'])
  // The activation that was lost never said its own name; what belonged to it is found by the link.
  expect(last.links).toEqual([{ traceId: CALLER.trace, spanId: done.parentSpanId }])
  expect(last).toMatchObject({
    parentSpanId: request?.spanId,
    resource: { 'service.name': 'alex-worker' },
    attributes: {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'default',
      'gen_ai.conversation.id': 'traced',
      'alex.task_id': task_id,
      'alex.attempt': 2,
      'alex.resume_reason': 'worker_lost',
      'alex.outcome': 'answered',
    },
  })
  const chat = ofTask.find(
    ({ name, parentSpanId }) => name.startsWith('chat') && parentSpanId === done.spanId,
  )
  expect(chat).toMatchObject({
    kind: 3,
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'server.address': '127.0.0.1',
    },
  })
  expect(chat?.attributes['gen_ai.usage.input_tokens']).toBeGreaterThan(0)
  const interrupted = ofTask.find(({ attributes }) => attributes['gen_ai.tool.call.id'] === '2.1')
  expect(interrupted?.attributes).toMatchObject({ 'error.type': 'interrupted' })
  // Unless it is asked for, spans say nothing of what was said.
  expect(receiver.text()).not.toMatch(/private-/)

  const parent = await fleet.submit({ task: 'the whole' })
  await fleet.ended(parent.task_id)
  const isEnd = ({ attributes }: ReceivedSpan) => attributes['alex.outcome'] === 'answered'
  const end = await receiver.next((span) => span.attributes['alex.task_id'] === parent.task_id && isEnd(span))
  const whole = spans.filter(({ traceId }) => traceId === end.traceId)
  const child = ['invoke_agent default', ['iteration 1', 'chat gpt-4o-mini']]
  expect(treeOf(whole, '')).toEqual([
    [
      'POST /api/tasks',
      ['invoke_agent default', ['iteration 1', 'chat gpt-4o-mini', child]],
      ['invoke_agent default', ['iteration 1', 'execute_tool subagent'], ['iteration 2', 'chat gpt-4o-mini']],
    ],
  ])
})
