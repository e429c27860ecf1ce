import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { newSession, runTask, watch } from '../support/sse.ts'

test('the stream of a task that Redis lost ends though nothing else happens: the client is told 404', async () => {
  await using api = await startApi()
  const session = newSession()
  const task = await runTask(api.store, session)
  using ofTask = watch(`${api.url}/api/tasks/${task.task_id}/events`)
  using ofSession = watch(`${api.url}/api/sse?session_id=${session}`)
  await Promise.all([ofTask.untilType('task_started'), ofSession.untilType('task_started')])
  const keys = await api.redis.keys(`${api.prefix}:*`)
  await api.redis.unlink(...keys)
  await ofTask.untilClosed()
  expect(ofTask.statuses).toEqual([200, 404])
  const next = await runTask(api.store, session)
  await next.finish()
  await ofSession.untilType('task_complete')
  expect(ofSession.statuses).toEqual([200])
})
