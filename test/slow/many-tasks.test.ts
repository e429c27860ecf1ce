import { expect, test } from 'vitest'
import type { TaskSummary } from '../../src/schemas/task.ts'
import { startService } from '../support/service.ts'

const TASKS = 200
const SESSIONS = 20

test('200 tasks over 20 sessions on 2 workers all end, each session in its order, none lost, none twice', async () => {
  const service = await startService()
  service.model.on({ userMessage: /task/ }, { content: 'done' })
  await Promise.all([service.startWorker(), service.startWorker()])

  const submitted: { task_id: string; session_id: string }[] = []
  for (let i = 0; i < TASKS; i += 1)
    submitted.push(await service.submit({ task: `task ${i}`, session_id: `s${i % SESSIONS}` }))
  const tasks = await Promise.all(submitted.map(({ task_id }) => service.ended(task_id)))
  expect(tasks.map(({ status, attempts }) => ({ status, attempts }))).toEqual(
    tasks.map(() => ({ status: 'completed', attempts: 1 })),
  )
  expect(new Set(tasks.map(({ worker }) => worker)).size).toBe(2)

  for (let s = 0; s < SESSIONS; s += 1) {
    const own = submitted.filter(({ session_id }) => session_id === `s${s}`).map(({ task_id }) => task_id)
    const events = await service.store.readLog(`s${s}`, '0-0', 10_000)
    const ran = events.flatMap((event) =>
      event.event_type === 'task_started'
        ? [['start', event.task_id]]
        : event.event_type === 'task_complete'
          ? [['end', event.task_id]]
          : [],
    )
    expect(ran).toEqual(
      own.flatMap((id) => [
        ['start', id],
        ['end', id],
      ]),
    )
  }
  const listed = await service.json<TaskSummary[]>('/api/tasks')
  expect(new Set(listed.map(({ task_id }) => task_id)).size).toBe(TASKS)
})
