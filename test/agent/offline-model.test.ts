import { expect, onTestFinished, test } from 'vitest'
import type { AgentTask } from '../../src/agent/agent.ts'
import { FINAL_REQUEST } from '../../src/agent/fold.ts'
import type { Model } from '../../src/agent/model.ts'
import { createOfflineModel } from '../../src/agent/offline-model.ts'
import type { Event } from '../../src/schemas/event.ts'
import { createFixture } from '../tools/support/fixture.ts'
import { activate, ofType, placed, queued } from './support.ts'

const FILES = {
  'README.md': '# Parrot\n\n![badge](x)\n\nParrot repeats what it hears.\n\nMore words.\n',
  'package.json': '{\n  "name": "parrot",\n  "version": "1.2.3",\n  "scripts": { "start": "node ." }\n}\n',
  'src/main.ts': '/** Starts the parrot. */\nimport { repeatPhrase } from "./phrase.ts"\nrepeatPhrase()\n',
  'src/phrase.ts': '// TODO louder\n'.concat('\n'.repeat(10), 'export const repeatPhrase = () => {}\n'),
  'src/deep/cage.py': 'locked = True\n',
}

/** The real tools on a real workspace. */
const workspace = async (files: Record<string, string> = FILES) => {
  const fixture = await createFixture()
  onTestFinished(() => fixture[Symbol.asyncDispose]())
  for (const [path, content] of Object.entries(files)) await fixture.write(path, content)
  return async (
    task: string,
    extra: { task?: Partial<AgentTask>; history?: Event[]; model?: Model } = {},
  ) => {
    const { run, recorder } = await activate({
      model: extra.model ?? createOfflineModel({ paceMs: 0 }),
      history: extra.history ?? placed([queued(task)]),
      toolContext: fixture.context,
      deps: { toolbox: fixture.toolbox },
      ...(extra.task && { task: extra.task }),
    })
    const outcome = await run
    const calls = ofType(recorder.events, 'tool_call_start')
    const answer = outcome.kind === 'answered' ? outcome.answer : ''
    return { outcome, answer, calls, events: recorder.events, frames: recorder.frames, fixture }
  }
}

test('a codebase is described by its real files, in three to five iterations', async () => {
  const ask = await workspace()
  const { outcome, answer, calls } = await ask('Analyze the codebase')
  expect(outcome.total_iterations).toBeGreaterThanOrEqual(3)
  expect(outcome.total_iterations).toBeLessThanOrEqual(5)
  expect(calls.map((event) => event.tool_name)).toEqual(['list_files', ...Array(3).fill('file_read'), 'grep'])
  expect(answer).toContain('offline model')
  expect(answer).toContain('Parrot repeats what it hears.')
  expect(answer).toContain('**parrot** 1.2.3')
  expect(answer).toContain('| `.ts` | 2 |')
  expect(answer).toContain('`src/main.ts` (84 B): Starts the parrot.')
  expect(answer).toContain('`src/phrase.ts:1`')
})

test("what the task's words point to is searched and read", async () => {
  const ask = await workspace()
  const { answer, calls } = await ask('Where is repeatPhrase defined, and is src/deep/cage.py involved?')
  expect(answer).toContain('`src/phrase.ts:12`')
  expect(answer).toContain('export const repeatPhrase')
  const reads = calls.filter((event) => event.tool_name === 'file_read').map((event) => event.arguments)
  expect(reads).toContainEqual({ path: 'src/deep/cage.py', limit: 120 })
  expect(reads).toContainEqual({ path: 'src/phrase.ts', offset: 7, limit: 25 })
})

test('the same workspace and task give the same answer', async () => {
  const ask = await workspace()
  expect((await ask('Explain the parrot')).answer).toBe((await ask('Explain the parrot')).answer)
})

test('lines that are orders are carried out one an iteration', async () => {
  const ask = await workspace()
  const { outcome, answer, calls, fixture } = await ask(
    'please\nwrite notes/a.txt: hello\nbash: cat notes/a.txt',
  )
  expect(calls.map((event) => event.tool_name)).toEqual(['file_write', 'bash'])
  expect(outcome.total_iterations).toBe(3)
  expect(await fixture.read('notes/a.txt')).toBe('hello\n')
  expect(answer).toContain('exit code 0')
})

test('an order the preset does not offer is not carried out, and the answer says why', async () => {
  const ask = await workspace()
  const { answer, calls } = await ask('bash: touch x', { task: { tool_preset: 'read-only' } })
  expect(calls).toEqual([])
  expect(answer).toContain('not offered')
})

test('an empty workspace is an answer too', async () => {
  const ask = await workspace({})
  const { outcome, answer } = await ask('Analyze the codebase')
  expect(outcome.kind).toBe('answered')
  expect(answer).toContain('offline model')
})

test('without tools the answer says that nothing could be looked at', async () => {
  const ask = await workspace()
  const { answer, calls } = await ask('Analyze the codebase', { task: { tool_preset: 'web-only' } })
  expect(calls).toEqual([])
  expect(answer).toContain('not offered')
})

test('asked for its answer early, it tells what it has', async () => {
  const ask = await workspace()
  const { outcome, answer } = await ask('Analyze the codebase', { task: { max_iterations: 1 } })
  expect(outcome).toMatchObject({ stop_reason: 'max_iterations' })
  expect(answer).toContain('## Overview')
  expect(answer).not.toContain(FINAL_REQUEST)
})

test('a later task of the session begins anew', async () => {
  const ask = await workspace()
  const first = await ask('Analyze the codebase', {
    history: placed([queued('Analyze the codebase')], 'task-1'),
  })
  const history = [
    ...placed([queued('Analyze the codebase'), ...first.events], 'task-1'),
    ...placed([queued('bash: echo second')], 'task-2'),
  ]
  const second = await ask('', { history, task: { task_id: 'task-2' } })
  expect(second.calls.map((event) => event.tool_name)).toEqual(['bash'])
  expect(second.answer).not.toContain('Parrot')
})

test('cut off anywhere, it goes on to the same answer', async () => {
  const ask = await workspace()
  const whole = await ask('Where is repeatPhrase?')
  const log = [queued('Where is repeatPhrase?'), ...whole.events]
  for (let length = 1; length <= log.length; length += 1) {
    const resumed = await ask('', { history: placed(log.slice(0, length)), task: { attempt: 2 } })
    expect(resumed.answer).toBe(whole.answer)
  }
})

test('its text streams in pieces that add up, and stops with the signal', async () => {
  const request = {
    model: 'offline',
    messages: [{ role: 'user' as const, content: 'Analyze the codebase' }],
    tools: [{ name: 'think', description: 'thinks', parameters: { type: 'object' } }],
    toolChoice: 'auto' as const,
    maxTokens: 100,
  }
  const controller = new AbortController()
  const pieces: string[] = []
  const model = createOfflineModel({ paceMs: 1 })
  const answered = await model({
    ...request,
    signal: controller.signal,
    onDelta: (text) => pieces.push(text),
  })
  expect(answered).toMatchObject({ ok: true, answer: { content: pieces.join('') } })
  expect(pieces.length).toBeGreaterThan(5)
  const onDelta = () => controller.abort()
  const stopped = await createOfflineModel({ paceMs: 60_000 })({
    ...request,
    signal: controller.signal,
    onDelta,
  })
  expect(stopped).toMatchObject({ ok: false, failure: { kind: 'aborted' } })
})
