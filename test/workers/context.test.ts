import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { brokenPairs, countingEndpoint } from '../agent/counting-endpoint.ts'
import { startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'
import { startWorkerProcess } from '../support/worker.ts'

const GOAL = 'Read big.txt again and again and remember the word heliotrope.'
const SECRET = 'a-secret-of-some-length'
const Compression = z.looseObject({
  tokens_before: z.number(),
  tokens_after: z.number(),
  summary: z.string().optional(),
})

test('a worker killed twice leaves its successor the very same context, compressions and all', async () => {
  const service = await startService({ secrets: [SECRET] })
  await writeFile(join(service.workspace, 'big.txt'), 'A line of the file that fills pages.\n'.repeat(2_000))
  const KILL_AT = [9, 15]
  const held = new Map<number, { reached: PromiseWithResolvers<void>; bodies: string[] }>(
    KILL_AT.map((turn) => [turn, { reached: Promise.withResolvers<void>(), bodies: [] }]),
  )
  const endpoint = await countingEndpoint({
    window: 8_192,
    summary: `what was read so far, and ${SECRET}`,
    answer: (turn) =>
      turn <= 20
        ? {
            content: `page ${turn}`,
            call: { name: 'file_read', arguments: JSON.stringify({ path: 'big.txt', offset: turn }) },
          }
        : { content: 'read it all' },
    onTurn: async (turn, body) => {
      const moment = held.get(turn)
      moment?.bodies.push(JSON.stringify(body))
      moment?.reached.resolve()
      // The first time this is asked nobody is left to hear the answer.
      if (moment?.bodies.length === 1) await new Promise(() => {})
    },
  })
  const startWorker = () =>
    startWorkerProcess({
      redisUrl: service.url_redis,
      prefix: service.prefix,
      workspace: service.workspace,
      baseUrl: endpoint.baseUrl,
    })
  let worker = await startWorker()
  const { task_id } = await service.submit({ task: GOAL, model: 'gpt-4', max_iterations: 30 })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  for (const turn of KILL_AT) {
    await held.get(turn)?.reached.promise
    const successor = await startWorker()
    await worker.end('SIGKILL')
    worker = successor
  }
  expect(await service.ended(task_id)).toMatchObject({
    status: 'completed',
    attempts: 3,
    result: { answer: 'read it all' },
  })
  for (const turn of KILL_AT) {
    const [before, after, ...more] = held.get(turn)?.bodies ?? []
    expect(after).toBe(before)
    expect(more).toEqual([])
  }
  expect(endpoint.refused()).toBe(0)
  expect(endpoint.asked.flatMap(({ body }) => brokenPairs(body))).toEqual([])
  expect(endpoint.asked.every(({ body }) => JSON.stringify(body.messages).includes(GOAL))).toBe(true)

  // Watchers see counts, and a summary without its secrets.
  await stream.next('task_complete')
  const compressions = stream.events.filter(({ event_type }) => event_type === 'context_compression')
  const seen = compressions.map((event) => Compression.parse(event))
  expect(seen.length).toBeGreaterThan(3)
  expect(seen.every((event) => event.tokens_after < event.tokens_before && !('compression' in event))).toBe(
    true,
  )
  expect(seen.some(({ summary }) => summary?.includes('what was read so far'))).toBe(true)
  expect(JSON.stringify(seen)).not.toContain(SECRET)

  // What summaries cost is part of what the task cost.
  const { usage } = await service.ended(task_id)
  const answered = endpoint.asked.filter(({ turn, kind }, index) => {
    const again = endpoint.asked.findLastIndex((other) => kind === 'turn' && other.turn === turn)
    return kind === 'summary' || again === index
  })
  expect(usage.input_tokens).toBe(answered.reduce((sum, { tokens }) => sum + tokens, 0))
  expect(usage.model_calls).toBe(answered.length)
}, 60_000)
