import { expect, test } from 'vitest'
import type { Task } from '../../src/schemas/task.ts'
import { startService } from '../support/service.ts'

test('whoever waits for a task that ends at that very moment is told so at once', async () => {
  const service = await startService()
  const ids = await Promise.all(
    Array.from({ length: 100 }, async () => (await service.submit({ task: 'wait' })).task_id),
  )
  const began = performance.now()
  const tasks = await Promise.all(
    ids.map(async (id, i) => {
      const waiting = service.json<Task>(`/api/tasks/${id}?wait_s=15`)
      await new Promise((resolve) => setTimeout(resolve, i % 10))
      await service.post(`/api/tasks/${id}/cancel`)
      return waiting
    }),
  )
  expect(tasks.every(({ status }) => status === 'cancelled')).toBe(true)
  expect(performance.now() - began).toBeLessThan(14_000)
})
