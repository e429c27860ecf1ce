/**
 * Records what this release writes: a session in which tools run and fail, a worker is lost, a task is cancelled and
 * one runs out of time. With `ALEX_TEST_RECORD=true` the fixtures of test/lifecycle are written anew; do that once
 * for a release whose log differs, under a new name, and keep the old ones.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { foldTask, foldTranscript } from '../../src/agent/fold.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/sse.ts'

const FIXTURES = join(import.meta.dirname, '../lifecycle/fixtures')
const SESSION = 'recorded'
const Sent = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string().nullish() })) })

test('what this release writes has the shape of its recorded log', async () => {
  const service = await startService()
  const { model, redis, store } = service
  // Turns count through the session.
  model.on(
    { userMessage: /make/, turnIndex: 0 },
    {
      content: 'First a file.',
      ...calls(['file_write', { path: 'a.txt', content: 'one\ntwo\n' }], ['file_read', '{"path": "a.t']),
    },
  )
  model.on(
    { userMessage: /make/, turnIndex: 1 },
    calls(['bash', { command: 'wc -l < a.txt' }], ['file_read', { path: 'a.txt' }]),
  )
  model.on({ userMessage: /make/, turnIndex: 2 }, { content: 'The file has two lines.' })
  model.on(
    { userMessage: /sleep/, turnIndex: 3 },
    { content: 'Now a pause.', ...calls(['bash', { command: 'echo started; sleep 60' }]) },
  )
  model.on({ userMessage: /sleep/, turnIndex: 4 }, { content: 'I checked: nothing was lost.' })
  model.on({ userMessage: /wait|late/ }, { content: 'So far.', ...calls(['bash', { command: 'sleep 60' }]) })
  model.on({ userMessage: /recall/ }, { content: 'All that.' })

  const run = async (task: string, fields: object = {}) => {
    const { task_id } = await service.submit({ task, session_id: SESSION, ...fields })
    const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
    return { task_id, stream }
  }
  const first = await service.startWorker()
  await service.ended((await run('make a file')).task_id)
  const slept = await run('sleep a while')
  await slept.stream.untilType('tool_call_start')
  await first.end('SIGKILL')
  await service.startWorker()
  await service.ended(slept.task_id)
  const cancelled = await run('wait for me')
  await cancelled.stream.untilType('tool_call_start')
  await service.post(`/api/tasks/${cancelled.task_id}/cancel`, { reason: 'enough' })
  await service.ended((await run('be late', { timeout_s: 2 })).task_id)
  const last = await run('recall it all')
  await service.ended(last.task_id)
  for (const { stream } of [slept, cancelled, last]) stream[Symbol.dispose]()

  const history = await store.readLog(SESSION, '0-0', 1000)
  const own = history.filter(({ task_id }) => task_id === last.task_id)
  const folded = [...foldTranscript(history, last.task_id), ...foldTask(own)]
  const sent = Sent.parse(model.getLastRequest()?.body).messages
  expect(sent.slice(1).map(({ role, content }) => [role, content ?? ''])).toEqual(
    folded.slice(0, -1).map(({ role, content }) => [role, content]),
  )
  const raw = await redis.xrange(store.key('session', SESSION, 'log'), '-', '+')
  const log = raw.map(([id, fields]) =>
    JSON.stringify([id, fields]).replaceAll(/(\\"worker\\":\\")[^\\]+/g, '$1host-1-aaaa'),
  )
  if (process.env['ALEX_TEST_RECORD'] === 'true') {
    await writeFile(join(FIXTURES, 'log-v2.jsonl'), `${log.join('\n')}\n`)
    await writeFile(join(FIXTURES, 'log-v2.messages.json'), `${JSON.stringify(folded, null, 2)}\n`)
  }
  const recorded = (await readFile(join(FIXTURES, 'log-v2.jsonl'), 'utf8')).trim().split('\n')
  expect(log.map(shapeOf)).toEqual(recorded.map(shapeOf))
})

/** Version, type and the names of an entry's fields. */
const shapeOf = (line: string) => {
  const [, flat] = z.tuple([z.string(), z.array(z.string())]).parse(JSON.parse(line))
  const field = (name: string) => flat[flat.indexOf(name) + 1] ?? ''
  return [
    field('v'),
    field('type'),
    Object.keys(JSON.parse(field('data')) as object)
      .toSorted()
      .join(),
  ]
}
