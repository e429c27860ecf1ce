import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Block, compressed } from '../../src/agent/context-compression.ts'
import { type Conversation, planCompression, settle } from '../../src/agent/context-plan.ts'
import { messagesOf } from '../../src/agent/fold.ts'
import type { ChatMessage } from '../../src/agent/model.ts'
import { createEstimator } from '../../src/agent/tokens.ts'
import type { Compression } from '../../src/schemas/event.ts'

const FIXED = 500
const estimate = createEstimator()
const measure = (blocks: readonly Block[]) => FIXED + estimate.messages(messagesOf(blocks))

const goalOf = (task_id: string, content: string): Block => ({
  task_id,
  answers: 0,
  kind: 'task',
  messages: [{ role: 'user', content }],
})
const exchange = (task_id: string, answers: number, outputs: readonly string[], said = 'so'): Block => {
  const calls = outputs.map((output, index) => ({
    call_id: `${answers}.${index + 1}`,
    tool_name: 'write',
    arguments: JSON.stringify({ path: 'a.ts', content: output }),
  }))
  const results = outputs.map((content, index) => ({
    role: 'tool' as const,
    call_id: `${answers}.${index + 1}`,
    content,
  }))
  const answer: ChatMessage =
    outputs.length === 0
      ? { role: 'assistant', content: said }
      : { role: 'assistant', content: said, tool_calls: calls }
  return { task_id, answers, kind: 'answer', messages: [answer, ...results] }
}

/** Plans, writes what summary the plan asks for, and settles. */
const compression = (conversation: Conversation, written = (tokens: number) => 'z '.repeat(tokens)) => {
  const { compression: plan, summarize } = planCompression(conversation)
  const summary = summarize && { to: summarize.to, text: written(summarize.tokens) }
  return settle(conversation, { ...plan, ...(summary && { summary }) }, '[removed]')
}
const applied = (conversation: Conversation, made: Compression) =>
  compressed(conversation.blocks, made, conversation.taskId)

const text = fc
  .tuple(fc.constantFrom('word ', '{"a":1},\n', 'фраза ', '\u0001\\"', '上下文', '😀', 'f3a9'), fc.nat(9_000))
  .map(([unit, length]) => unit.repeat(Math.ceil(length / unit.length)))
const outputs = fc.array(text, { maxLength: 4 })
const taskBlocks = (task_id: string, goal: string, rounds: string[][]): Block[] => [
  goalOf(task_id, goal),
  ...rounds.map((round, index) => exchange(task_id, index + 1, round, `step ${index}`)),
]
const conversations = fc
  .record({
    earlier: fc.array(fc.record({ goal: text, rounds: fc.array(outputs, { maxLength: 5 }) }), {
      maxLength: 3,
    }),
    goal: fc.string({ maxLength: 300 }),
    rounds: fc.array(outputs, { maxLength: 12 }),
    limit: fc.integer({ min: FIXED + 700, max: 12_000 }),
  })
  .map(({ earlier, goal, rounds, limit }) => {
    const before = earlier.flatMap((task, index) => taskBlocks(`task-${index}`, task.goal, task.rounds))
    const blocks = [...before, ...taskBlocks('own', `GOAL ${goal}`, rounds)]
    return { blocks, taskId: 'own', measure, limit } satisfies Conversation
  })

const pairsAreWhole = (messages: readonly ChatMessage[]) => {
  let open: string[] = []
  for (const message of messages) {
    if (message.role === 'tool') {
      expect(open.shift()).toBe(message.call_id)
      continue
    }
    expect(open).toEqual([])
    open = message.role === 'assistant' ? (message.tool_calls ?? []).map((call) => call.call_id) : []
  }
  expect(open).toEqual([])
}

test('whatever the conversation, it fits afterwards, keeps its task and no call parts from its result', () => {
  fc.assert(
    fc.property(conversations, (conversation) => {
      const after = applied(conversation, compression(conversation))
      expect(measure(after)).toBeLessThanOrEqual(conversation.limit)
      const goal = conversation.blocks.find((block) => block.kind === 'task' && block.task_id === 'own')
      expect(after).toContainEqual(goal)
      pairsAreWhole(messagesOf(after))
    }),
    { numRuns: 150 },
  )
})

test('a compression applied to what it made changes nothing, and neither does what is gone from the log', () => {
  fc.assert(
    fc.property(conversations, (conversation) => {
      const made = compression(conversation)
      const after = applied(conversation, made)
      const { summary: _, ...cuts } = made
      expect(compressed(after, cuts, 'own')).toEqual(after)
      const summedUp = made.summary !== undefined && made.summary.to.task_id !== 'task-0'
      const left = conversation.blocks.filter((block) => !summedUp || block.task_id !== 'task-0')
      expect(compressed(left, made, 'own')).toEqual(after)
    }),
    { numRuns: 100 },
  )
})

test('arguments stay JSON', () => {
  fc.assert(
    fc.property(conversations, fc.integer({ min: 40, max: 2_000 }), (conversation, cap_outputs) => {
      for (const message of messagesOf(compressed(conversation.blocks, { cap_outputs }, 'own')))
        for (const call of message.role === 'assistant' ? (message.tool_calls ?? []) : [])
          expect(JSON.parse(call.arguments)).toBeTypeOf('object')
    }),
    { numRuns: 100 },
  )
})

const words = (count: number) => 'some words of output. '.repeat(count)
const conversation = (blocks: Block[], limit: number): Conversation => ({
  blocks,
  taskId: 'own',
  measure,
  limit,
})

test('old outputs go first, oldest first, and the last ones stay whole', () => {
  const blocks = [
    goalOf('own', 'goal'),
    ...Array.from({ length: 8 }, (_, index) => exchange('own', index + 1, [words(100)])),
  ]
  const limit = measure(blocks) - 200
  const plan = planCompression(conversation(blocks, limit))
  expect(plan.summarize).toBeUndefined()
  const after = applied(conversation(blocks, limit), plan.compression)
  const lengths = after.slice(1).map((block) => block.messages[1]?.content.length ?? 0)
  const whole = lengths.findIndex((length) => length === words(100).length)
  expect(whole).toBeGreaterThan(0)
  expect(lengths.slice(0, whole).every((length) => length < 400)).toBe(true)
  expect(lengths.slice(whole).every((length) => length === words(100).length)).toBe(true)
  expect(after[1]?.messages[1]?.content).toMatch(/characters removed to fit the context/)
})

test('where shortening is not enough a summary takes the place of the earlier tasks, then of own steps', () => {
  const chat = (task: string) => [goalOf(task, words(60)), exchange(task, 1, [], words(60))]
  const own = (count: number) => [
    goalOf('own', 'goal'),
    ...Array.from({ length: count }, (_, index) => exchange('own', index + 1, [], words(40))),
  ]
  const few = conversation([...chat('a'), ...chat('b'), ...own(2)], 2_600)
  expect(planCompression(few).summarize?.to).toEqual({ task_id: 'b', answers: 1 })
  const many = conversation([...chat('a'), ...chat('b'), ...own(12)], 2_600)
  const { to } = planCompression(many).summarize ?? {}
  expect(to).toMatchObject({ task_id: 'own' })
  const after = applied(many, compression(many))
  expect(after.slice(0, 2).map(({ kind }) => kind)).toEqual(['task', 'summary'])
})

test('a single output that is too long loses its middle, with a note', () => {
  const made = conversation([goalOf('own', 'goal'), exchange('own', 1, [words(5_000)])], 3_000)
  const plan = planCompression(made)
  expect(plan.summarize).toBeUndefined()
  const [, block] = applied(made, plan.compression)
  expect(block?.messages[1]?.content).toMatch(/^some words[^]*characters cut here[^]*output\. $/)
})

test('a task that alone is too long loses its middle, with a note', () => {
  const made = conversation([goalOf('own', `first ${words(5_000)} last`), exchange('own', 1, ['ok'])], 3_000)
  const [goal, block] = applied(made, compression(made))
  expect(goal?.messages[0]?.content).toMatch(/^first [^]*characters cut here[^]* last$/)
  expect(block?.messages[1]?.content).toBe('ok')
})
